-- What is stored of orders that were not new, and their event if it is still in the outbox. A
-- statement of its own, because the insert cannot see what another transaction committed while
-- it waited.
SELECT
  order_id, idempotency_key, fingerprint,
  (
    SELECT id::text FROM outbox
    WHERE outbox.aggregateid = orders.order_id AND outbox.aggregatetype = 'orders'
  ) AS unpublished_event_id
FROM orders
WHERE position IN (
  -- Not OR, which would read the whole table.
  SELECT position FROM orders
  WHERE order_id = ANY(CAST(:order_ids AS text[]))
  UNION
  SELECT position FROM orders
  WHERE idempotency_key = ANY(CAST(:keys AS text[]))
);
