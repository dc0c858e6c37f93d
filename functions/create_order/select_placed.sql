-- What is stored of orders that were not new, and their event if it is still in the outbox; a
-- caller's idempotency key goes before an id. A statement of its own, because the insert cannot see
-- what another transaction committed while it waited.
SELECT
  asked.number, orders.order_id, fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = orders.order_id AND outbox.aggregatetype = 'orders'
  ) AS unpublished_event_id,
  CASE
    WHEN orders.placed_by <> asked.placed_by THEN 'another caller'
    WHEN orders.idempotency_key = asked.idempotency_key THEN 'key'
    ELSE 'id'
  END AS found_by
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (
  number integer, order_id text, idempotency_key text, placed_by text
)
JOIN orders ON orders.position = coalesce(
  (
    SELECT position FROM orders
    WHERE idempotency_key = asked.idempotency_key AND placed_by = asked.placed_by
  ),
  (SELECT position FROM orders WHERE order_id = asked.order_id)
);
