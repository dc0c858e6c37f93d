-- Locks the stock of the orders' items and of further items, in order of item: before any order's
-- row, everywhere. Whoever has an item's row alone decides on it. An item that has no row comes
-- without figures, and where nobody is to be waited for, so does one that another holds: of the two
-- branches one is run. Who only wants to be told that there is none needs no row. As one value:
-- many rows take the driver longer than the database.
WITH wanted AS MATERIALIZED (
  SELECT item, bool_or(needs_row) AS needs_row
  FROM (
    SELECT
      item,
      status IN ('confirmed', 'backordered')
        OR status = 'pending' AND on_shortage = 'backorder' AS needs_row
    FROM orders JOIN order_lines USING (position)
    WHERE order_id = ANY(CAST(:order_ids AS text[]))
    UNION ALL
    SELECT unnest(CAST(:items AS text[])), true
  ) AS named
  GROUP BY item
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
SELECT coalesce(json_agg(
  json_build_array(item, needs_row, on_hand, reserved, fill_due)
), '[]')::text
FROM wanted LEFT JOIN (SELECT * FROM waited_for UNION ALL SELECT * FROM at_once) AS locked
USING (item);
