-- Locks the stock of the orders' items and of further items, in order of item, then the orders, in
-- order of position, and reads both. Stock comes first everywhere: whoever has an item's row alone
-- decides on it.
WITH wanted AS MATERIALIZED (
  SELECT position FROM orders
  WHERE order_id = ANY(CAST(:order_ids AS text[]))
),
items AS MATERIALIZED (
  SELECT item FROM order_lines WHERE position IN (SELECT position FROM wanted)
  UNION
  SELECT unnest(CAST(:items AS text[]))
),
locked_stock AS MATERIALIZED (
  SELECT item, on_hand, reserved, fill_due FROM stock
  WHERE item IN (SELECT item FROM items)
  ORDER BY item
  FOR UPDATE
),
locked_orders AS MATERIALIZED (
  SELECT position, order_id, status, on_shortage, sequence, traceparent FROM orders
  WHERE position IN (SELECT position FROM wanted)
    AND (SELECT count(*) FROM locked_stock) >= 0
  ORDER BY position
  FOR UPDATE
)
SELECT json_build_object(
  'orders', (SELECT coalesce(json_agg(json_build_object(
    'position', position, 'order_id', order_id, 'status', status, 'on_shortage', on_shortage,
    'sequence', sequence, 'traceparent', traceparent, 'lines', (
      SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
      FROM order_lines WHERE order_lines.position = locked_orders.position
    )
  )), '[]') FROM locked_orders),
  'stock', (SELECT coalesce(json_agg(json_build_object(
    'item', item, 'on_hand', on_hand, 'reserved', reserved, 'fill_due', fill_due
  )), '[]') FROM locked_stock),
  'unknown_items', (SELECT coalesce(json_agg(item), '[]') FROM items
    WHERE item NOT IN (SELECT item FROM locked_stock))
)::text;
