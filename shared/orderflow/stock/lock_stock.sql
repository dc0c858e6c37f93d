-- Locks the stock of the orders' items and of further items, in order of item: before any order's
-- row, everywhere. Whoever has an item's row alone decides on it. An item that has no row yet
-- comes without figures.
WITH wanted AS MATERIALIZED (
  SELECT item FROM orders JOIN order_lines USING (position)
  WHERE order_id = ANY(CAST(:order_ids AS text[]))
  UNION
  SELECT unnest(CAST(:items AS text[]))
),
locked AS MATERIALIZED (
  SELECT item, on_hand, reserved, fill_due FROM stock
  WHERE item IN (SELECT item FROM wanted)
  ORDER BY item
  FOR UPDATE
)
SELECT item, on_hand, reserved, fill_due FROM wanted LEFT JOIN locked USING (item);
