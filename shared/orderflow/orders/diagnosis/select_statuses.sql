-- The statuses of some orders.
SELECT order_id, status FROM orders
WHERE order_id = ANY(CAST(:order_ids AS text[]));
