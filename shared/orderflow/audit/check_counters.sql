-- Statuses of which not as many orders were counted as there are.
WITH there AS MATERIALIZED (
  SELECT status, count(*) AS orders FROM orders GROUP BY status
),
difference AS MATERIALIZED (
  SELECT status, coalesce(n, 0) AS counted, coalesce(orders, 0) AS orders
  FROM counted_orders FULL JOIN there USING (status)
  WHERE coalesce(n, 0) <> coalesce(orders, 0)
)
SELECT json_build_object(
  'looked_at', (SELECT coalesce(sum(orders), 0) FROM there)
    + (SELECT count(*) FROM counted_orders),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT * FROM difference ORDER BY status LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
