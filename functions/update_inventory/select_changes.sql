-- What is stored of changes that were not new, and their event if it is still in the outbox; a
-- caller's idempotency key goes before an id.
SELECT
  asked.number, inventory_changes.change_id, fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = item AND outbox.aggregatetype = 'inventory'
      AND outbox.payload ->> 'change_id' = inventory_changes.change_id
    LIMIT 1
  ) AS unpublished_event_id,
  CASE
    WHEN inventory_changes.idempotency_key = asked.idempotency_key
      AND inventory_changes.told_by = asked.told_by THEN 'key'
    ELSE 'id'
  END AS found_by
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (
  number integer, change_id text, idempotency_key text, told_by text
)
JOIN inventory_changes ON inventory_changes.position = coalesce(
  (
    SELECT position FROM inventory_changes
    WHERE idempotency_key = asked.idempotency_key AND told_by = asked.told_by
  ),
  (SELECT position FROM inventory_changes WHERE change_id = asked.change_id)
);
