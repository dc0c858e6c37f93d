-- Of the next inventory changes by position, those that were decided on before a time; and the last
-- that was looked at.
SELECT json_build_object(
  'last', max(position),
  'found', coalesce(json_agg(position ORDER BY position) FILTER (
    WHERE outcome IS NOT NULL AND applied_at < CAST(:before AS timestamptz)
  ), '[]')
)::text
FROM (
  SELECT position, outcome, applied_at
  FROM inventory_changes
  WHERE position > CAST(:after AS bigint)
  ORDER BY position
  LIMIT CAST(:count AS bigint)
) AS looked_at;
