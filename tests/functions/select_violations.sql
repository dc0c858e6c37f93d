-- What must be empty at every commit, from one snapshot: stock that differs from its ledger or from
-- the orders that hold it, and orders that wait although they fit and nothing says so.
WITH mine AS MATERIALIZED (
  SELECT stock.* FROM stock
  WHERE item IN (SELECT jsonb_array_elements_text(CAST(:items AS jsonb)))
)
SELECT 'differs from its ledger' AS what, item AS which
FROM mine
WHERE (on_hand, reserved) IS DISTINCT FROM (
  SELECT (coalesce(sum(on_hand_change), 0)::bigint, coalesce(sum(reserved_change), 0)::bigint)
  FROM stock_ledger WHERE stock_ledger.item = mine.item
)
UNION ALL
SELECT 'differs from its orders', item
FROM mine
WHERE reserved IS DISTINCT FROM (
  SELECT coalesce(sum(quantity), 0)
  FROM order_lines JOIN orders USING (position)
  WHERE order_lines.item = mine.item AND status = 'confirmed'
)
UNION ALL
SELECT 'waits although it fits', backorders.position::text
FROM backorders JOIN mine USING (item)
GROUP BY backorders.position
HAVING bool_and(quantity <= on_hand - reserved) AND NOT bool_or(fill_due)
UNION ALL
SELECT 'waits in another status', backorders.position::text
FROM backorders JOIN mine USING (item) JOIN orders ON orders.position = backorders.position
WHERE status <> 'backordered';
