-- Items of orders that lists by item and status leave out, or show under a status that is not the
-- order's.
WITH wanted AS MATERIALIZED (
  SELECT DISTINCT item, status, position
  FROM orders JOIN order_lines USING (position)
  WHERE status <> 'pending'
),
difference AS MATERIALIZED (
  SELECT
    position, item, item_orders.status AS listed_as,
    CASE WHEN item_orders.item IS NULL THEN wanted.status END AS left_out_as
  FROM wanted FULL JOIN item_orders USING (item, status, position)
  WHERE wanted.item IS NULL OR item_orders.item IS NULL
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM wanted),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, difference.item, listed_as, left_out_as
    FROM difference LEFT JOIN orders USING (position)
    ORDER BY position, item, listed_as
    LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
