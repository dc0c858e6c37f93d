-- What is stored of changes that were not new, and whether Kafka has all of the item's events.
SELECT
  change_id, fingerprint,
  NOT EXISTS (
    SELECT FROM outbox
    WHERE outbox.aggregateid = item AND outbox.aggregatetype = 'inventory'
  ) AS sent
FROM inventory_changes
WHERE change_id IN (SELECT jsonb_array_elements_text(CAST(:change_ids AS jsonb)));
