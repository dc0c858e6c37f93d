-- What is stored of orders that were not new, and their event if it is still in the outbox; a
-- caller's idempotency key goes before an id. A statement of its own, because the insert cannot see
-- what another transaction committed while it waited.
SELECT
  asked.number, stored.order_id, stored.fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = stored.order_id AND outbox.aggregatetype = 'orders'
  ) AS unpublished_event_id,
  CASE
    WHEN stored.placed_by <> asked.placed_by THEN 'another caller'
    WHEN stored.by_key THEN 'key'
    ELSE 'id'
  END AS found_by
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (
  number integer, order_id text, idempotency_key text, placed_by text
)
CROSS JOIN LATERAL (
  SELECT order_id, fingerprint, placed_by, true AS by_key FROM orders
  WHERE idempotency_key = asked.idempotency_key AND placed_by = asked.placed_by
  UNION ALL
  SELECT order_id, fingerprint, placed_by, true FROM archived_orders
  WHERE idempotency_key = asked.idempotency_key AND placed_by = asked.placed_by
  UNION ALL
  SELECT order_id, fingerprint, placed_by, false FROM orders WHERE order_id = asked.order_id
  UNION ALL
  SELECT order_id, fingerprint, placed_by, false FROM archived_orders
  WHERE order_id = asked.order_id
  ORDER BY by_key DESC
  LIMIT 1
) AS stored;
