-- Orders whose history does not lead from pending, in steps without a gap and by allowed moves, to
-- the status they are in. All walks that the moves allow are known, so a history is compared with
-- these as a whole; only one that is none of them is looked at step by step, to say what is wrong.
WITH walk AS MATERIALIZED (
  SELECT
    split_part(path, ' ', -1) AS status, cardinality(string_to_array(path, ' ')) AS steps, path
  FROM unnest(CAST(:walks AS text[])) AS given (path)
),
walked AS (
  SELECT
    position, count(*) AS steps, max(sequence) AS last,
    string_agg(status, ' ' ORDER BY sequence) AS path
  FROM order_history
  GROUP BY position
),
astray AS MATERIALIZED (
  SELECT orders.position, order_id, status, sequence
  FROM orders LEFT JOIN walked USING (position)
  WHERE steps IS DISTINCT FROM sequence OR last <> sequence
    OR (status, sequence, path) NOT IN (SELECT walk.status, walk.steps, walk.path FROM walk)
),
step AS (
  SELECT
    position, sequence, status AS enters,
    lag(status) OVER steps AS leaves,
    coalesce(lag(sequence) OVER steps, 0) AS previous,
    lead(sequence) OVER steps AS next
  FROM order_history
  WHERE position IN (SELECT position FROM astray)
  WINDOW steps AS (PARTITION BY position ORDER BY sequence)
),
difference AS MATERIALIZED (
  SELECT astray.position, order_id, status, astray.sequence, CASE
    WHEN step.position IS NULL THEN 'it has no history'
    WHEN step.sequence <> previous + 1 THEN format('number %s is missing', previous + 1)
    WHEN leaves IS NULL AND enters <> 'pending' THEN format('it begins with %s', enters)
    WHEN next IS NULL AND enters <> status THEN format('its history ends with %s', enters)
    WHEN next IS NULL AND step.sequence <> astray.sequence
      THEN format('its history ends with number %s', step.sequence)
    WHEN leaves IS NOT NULL AND NOT EXISTS (
      SELECT FROM walk
      WHERE strpos(concat(' ', path, ' '), concat(' ', leaves, ' ', enters, ' ')) > 0
    ) THEN format('it went from %s to %s', leaves, enters)
  END AS fault
  FROM astray LEFT JOIN step ON step.position = astray.position
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_history),
  'found', (SELECT count(*) FROM astray),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, fault, status, sequence
    FROM difference WHERE fault IS NOT NULL ORDER BY position LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
