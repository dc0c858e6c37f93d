-- Takes orders that are pending for too long and puts off their next announcement: 10 s, then
-- twice as long each time, ten minutes at most.
WITH overdue AS (
  SELECT position FROM orders
  WHERE status = 'pending' AND due_at <= now()
  ORDER BY due_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
UPDATE orders SET
  announcements = least(announcements + 1, 1000),
  due_at = now() + least(10 * 2 ^ least(announcements, 10), 600) * interval '1 second'
FROM overdue
WHERE orders.position = overdue.position
RETURNING traceparent, json_build_object(
  'order_id', order_id, 'on_shortage', on_shortage, 'lines', (
    SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
    FROM order_lines WHERE order_lines.position = orders.position
  )
)::text;
