-- Counts the orders and has the difference to what was counted added, in one snapshot: so writers
-- go on, and are counted as always. It is of no minute, as none of it happened in one.
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
there AS (
  SELECT status, count(*) AS orders FROM orders GROUP BY status
),
difference AS MATERIALIZED (
  SELECT status, coalesce(counted, 0) AS counted, coalesce(orders, 0) AS orders
  FROM counted FULL JOIN there USING (status)
  WHERE coalesce(counted, 0) <> coalesce(orders, 0)
),
corrected AS (
  INSERT INTO order_deltas (minute, leaves, enters, n)
  SELECT
    '-infinity',
    CASE WHEN counted > orders THEN status END,
    CASE WHEN counted < orders THEN status END,
    abs(orders - counted)
  FROM difference
)
SELECT status, counted, orders FROM difference ORDER BY status;
