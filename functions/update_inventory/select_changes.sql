-- What is stored of changes that were not new, and their event if it is still in the outbox.
SELECT
  change_id, fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = item AND outbox.aggregatetype = 'inventory'
      AND outbox.payload ->> 'change_id' = inventory_changes.change_id
    LIMIT 1
  ) AS unpublished_event_id
FROM inventory_changes
WHERE change_id = ANY(CAST(:change_ids AS text[]));
