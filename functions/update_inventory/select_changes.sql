-- What is stored of changes that were not new, and their event if it is still in the outbox; a
-- caller's idempotency key goes before an id.
SELECT
  asked.number, stored.change_id, stored.fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = stored.item AND outbox.aggregatetype = 'inventory'
      AND outbox.payload ->> 'change_id' = stored.change_id
    LIMIT 1
  ) AS unpublished_event_id,
  CASE WHEN stored.by_key THEN 'key' ELSE 'id' END AS found_by
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (
  number integer, change_id text, idempotency_key text, told_by text
)
CROSS JOIN LATERAL (
  SELECT change_id, item, fingerprint, true AS by_key FROM inventory_changes
  WHERE idempotency_key = asked.idempotency_key AND told_by = asked.told_by
  UNION ALL
  SELECT change_id, NULL, fingerprint, true FROM archived_changes
  WHERE idempotency_key = asked.idempotency_key AND told_by = asked.told_by
  UNION ALL
  SELECT change_id, item, fingerprint, false FROM inventory_changes
  WHERE change_id = asked.change_id
  UNION ALL
  SELECT change_id, NULL, fingerprint, false FROM archived_changes
  WHERE change_id = asked.change_id
  ORDER BY by_key DESC
  LIMIT 1
) AS stored;
