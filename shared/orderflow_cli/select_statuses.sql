-- The statuses of some orders.
SELECT order_id, status FROM orders
WHERE order_id IN (SELECT jsonb_array_elements_text(CAST(:order_ids AS jsonb)));
