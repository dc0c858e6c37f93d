-- Rows of the queue that differ from the lines of the backordered orders, summed per item.
WITH needed AS (
  SELECT position, item, sum(quantity) AS quantity
  FROM orders JOIN order_lines USING (position)
  WHERE status = 'backordered'
  GROUP BY position, item
),
difference AS MATERIALIZED (
  SELECT position, item, needed.quantity AS ordered, backorders.quantity AS queued
  FROM needed FULL JOIN backorders USING (position, item)
  WHERE needed.quantity IS DISTINCT FROM backorders.quantity
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM orders WHERE status = 'backordered')
    + (SELECT count(*) FROM backorders),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, status, item, ordered, queued
    FROM difference JOIN orders USING (position)
    ORDER BY position, item LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
