-- Locks the stock of the orders' items and of further items, in order of item: before any order's
-- row, everywhere. Whoever has an item's row alone decides on it. An item that has no row yet
-- comes without figures, and where nobody is to be waited for, so does one that another
-- transaction holds: of the two branches one is run.
WITH wanted AS MATERIALIZED (
  SELECT item FROM orders JOIN order_lines USING (position)
  WHERE order_id = ANY(CAST(:order_ids AS text[]))
  UNION
  SELECT unnest(CAST(:items AS text[]))
),
waited_for AS MATERIALIZED (
  SELECT item, on_hand, reserved, fill_due FROM stock
  WHERE item IN (SELECT item FROM wanted) AND NOT CAST(:skip_locked AS boolean)
  ORDER BY item
  FOR UPDATE
),
at_once AS MATERIALIZED (
  SELECT item, on_hand, reserved, fill_due FROM stock
  WHERE item IN (SELECT item FROM wanted) AND CAST(:skip_locked AS boolean)
  ORDER BY item
  FOR UPDATE SKIP LOCKED
)
SELECT item, on_hand, reserved, fill_due
FROM wanted LEFT JOIN (SELECT * FROM waited_for UNION ALL SELECT * FROM at_once) AS locked
USING (item);
