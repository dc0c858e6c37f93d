-- As lock_stock.sql, but waits for nobody: an item that another transaction holds comes without
-- figures, too.
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
  FOR UPDATE SKIP LOCKED
)
SELECT item, on_hand, reserved, fill_due FROM wanted LEFT JOIN locked USING (item);
