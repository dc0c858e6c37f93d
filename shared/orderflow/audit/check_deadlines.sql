-- Open orders and unapplied inventory changes that nobody will look at again: sweep looks at an
-- order within a year, the longest that one may be held, and at a change within minutes.
WITH waiting AS (
  SELECT order_id, NULL AS change_id, status, due_at, now() + interval '366 days' AS latest
  FROM orders
  WHERE status IN ('pending', 'backordered', 'confirmed') AND attention IS NULL
  UNION ALL
  SELECT NULL, change_id, 'unapplied', announce_at, now() + interval '1 day'
  FROM inventory_changes
  WHERE outcome IS NULL AND attention IS NULL
),
difference AS MATERIALIZED (
  SELECT * FROM waiting WHERE due_at > latest
),
overdue AS (
  SELECT count(*) AS things FROM waiting WHERE due_at < now() - interval '1 minute'
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM waiting),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, change_id, status, due_at
    FROM difference ORDER BY order_id, change_id LIMIT CAST(:shown AS bigint)
  ) AS row),
  'remark', (
    SELECT format('overdue for more than a minute, so sweep does not run: %s', things)
    FROM overdue WHERE things > 0
  )
)::text;
