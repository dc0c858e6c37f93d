-- Items of which not as much is reserved as confirmed orders hold.
WITH held AS MATERIALIZED (
  SELECT item, sum(quantity) AS units, count(*) AS lines
  FROM orders JOIN order_lines USING (position)
  WHERE status = 'confirmed'
  GROUP BY item
),
difference AS MATERIALIZED (
  SELECT item, stock.on_hand, stock.reserved, coalesce(held.units, 0) AS held_by_orders
  FROM stock FULL JOIN held USING (item)
  WHERE coalesce(stock.reserved, 0) <> coalesce(held.units, 0)
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM stock) + (SELECT coalesce(sum(lines), 0) FROM held),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT * FROM difference ORDER BY item LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
