-- Locks orders, in order of position, and reads them with their lines. A statement after the one
-- that locks their stock: it sees what was committed while that one waited. As one value: many
-- rows take the driver longer than the database.
WITH locked AS MATERIALIZED (
  SELECT position, order_id, placed_by, status, on_shortage, sequence, traceparent FROM orders
  WHERE order_id = ANY(CAST(:order_ids AS text[]))
  ORDER BY position
  FOR UPDATE
)
SELECT coalesce(json_agg(json_build_object(
  'position', position, 'order_id', order_id, 'placed_by', placed_by, 'status', status,
  'on_shortage', on_shortage,
  'sequence', sequence, 'traceparent', traceparent, 'lines', (
    SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
    FROM order_lines WHERE order_lines.position = locked.position
  )
)), '[]')::text
FROM locked;
