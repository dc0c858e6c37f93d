-- Counts the orders and has the difference to what was counted added, in one snapshot: so writers
-- go on, and are counted as always. It is of no minute, as none of it happened in one.
WITH there AS (
  SELECT status, count(*) AS orders FROM orders GROUP BY status
),
difference AS MATERIALIZED (
  SELECT status, coalesce(n, 0) AS counted, coalesce(orders, 0) AS orders
  FROM counted_orders FULL JOIN there USING (status)
  WHERE coalesce(n, 0) <> coalesce(orders, 0)
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
