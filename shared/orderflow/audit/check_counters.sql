-- Statuses of which not as many orders were counted as there are: folded, and still to be folded.
WITH counted AS (
  SELECT status, sum(n)::bigint AS counted
  FROM (
    SELECT status, n FROM order_counts
    UNION ALL
    SELECT enters, n FROM order_deltas WHERE enters IS NOT NULL
    UNION ALL
    SELECT leaves, -n FROM order_deltas WHERE leaves IS NOT NULL
  ) AS change
  GROUP BY status
),
there AS MATERIALIZED (
  SELECT status, count(*) AS orders FROM orders GROUP BY status
),
difference AS MATERIALIZED (
  SELECT status, coalesce(counted, 0) AS counted, coalesce(orders, 0) AS orders
  FROM counted FULL JOIN there USING (status)
  WHERE coalesce(counted, 0) <> coalesce(orders, 0)
)
SELECT json_build_object(
  'looked_at', (SELECT coalesce(sum(orders), 0) FROM there)
    + (SELECT count(*) FROM order_deltas),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT * FROM difference ORDER BY status LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
