-- Adds the oldest of what was counted to the totals, and forgets it, in one statement: whoever
-- reads both has each delta once. Rows are written in order, so that two of these wait for each
-- other instead of deadlocking.
WITH taken AS (
  DELETE FROM order_deltas
  WHERE id IN (SELECT id FROM order_deltas ORDER BY id LIMIT CAST(:count AS bigint))
  RETURNING minute, leaves, enters, latency_bucket, n
),
counted AS (
  INSERT INTO order_counts (status, n)
  SELECT status, sum(n)
  FROM (SELECT enters AS status, n FROM taken UNION ALL SELECT leaves, -n FROM taken) AS change
  WHERE status IS NOT NULL
  GROUP BY status
  ORDER BY status
  ON CONFLICT (status) DO UPDATE SET n = order_counts.n + EXCLUDED.n
),
timed AS (
  INSERT INTO order_minutes (minute, what, latency_bucket, n)
  SELECT minute, what, bucket, sum(n)
  FROM (
    SELECT minute, 'accepted' AS what, 0 AS bucket, n FROM taken
    WHERE leaves IS NULL AND enters = 'pending'
    UNION ALL
    SELECT minute, 'allocated', latency_bucket, n FROM taken WHERE latency_bucket IS NOT NULL
  ) AS done
  GROUP BY minute, what, bucket
  ORDER BY minute, what, bucket
  ON CONFLICT (minute, what, latency_bucket) DO UPDATE SET n = order_minutes.n + EXCLUDED.n
)
SELECT count(*) FROM taken;
