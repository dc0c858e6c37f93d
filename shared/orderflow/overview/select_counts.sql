-- Orders by status, accepted and allocated by minute, and how long the last minutes' allocations
-- took, as a histogram. What sweep has folded and what it has not yet is one snapshot, so the
-- counts are exact. If sweep is away, no more than a limit of the latter is read, the oldest of
-- them: then the counts are of some time ago.
WITH recent AS MATERIALIZED (
  SELECT minute, leaves, enters, latency_bucket, n
  FROM order_deltas
  ORDER BY id
  LIMIT CAST(:most AS bigint)
),
by_status AS (
  SELECT status, sum(n)::bigint AS n
  FROM (
    SELECT status, n FROM order_counts
    UNION ALL
    SELECT enters, n FROM recent
    UNION ALL
    SELECT leaves, -n FROM recent
  ) AS change
  WHERE status IS NOT NULL
  GROUP BY status
),
by_minute AS MATERIALIZED (
  SELECT minute, what, latency_bucket, sum(n)::bigint AS n
  FROM (
    SELECT minute, what, latency_bucket, n FROM order_minutes
    WHERE minute >= date_trunc('minute', now()) - interval '59 minutes'
    UNION ALL
    SELECT minute, 'accepted', 0, n FROM recent WHERE leaves IS NULL AND enters = 'pending'
    UNION ALL
    SELECT minute, 'allocated', latency_bucket, n FROM recent WHERE latency_bucket IS NOT NULL
  ) AS counted
  GROUP BY minute, what, latency_bucket
),
minutes AS (
  SELECT
    minute,
    coalesce(sum(n) FILTER (WHERE what = 'accepted'), 0) AS accepted,
    coalesce(sum(n) FILTER (WHERE what = 'allocated'), 0) AS allocated
  FROM generate_series(
    date_trunc('minute', now()) - interval '59 minutes', date_trunc('minute', now()), '1 minute'
  ) AS minute LEFT JOIN by_minute USING (minute)
  GROUP BY minute
),
latencies AS (
  SELECT latency_bucket AS bucket, sum(n) AS n
  FROM by_minute
  WHERE what = 'allocated'
    AND minute >= date_trunc('minute', now()) - CAST(:minutes AS integer) * interval '1 minute'
  GROUP BY latency_bucket
)
SELECT json_build_object(
  'at', now(),
  'orders', (SELECT coalesce(json_object_agg(status, n), '{}') FROM by_status),
  'per_minute', (SELECT json_agg(minutes ORDER BY minute) FROM minutes),
  'latencies', (SELECT coalesce(json_agg(latencies), '[]') FROM latencies)
)::text;
