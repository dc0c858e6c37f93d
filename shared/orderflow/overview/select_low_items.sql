-- Items of which less is available than their threshold, those that lack the most first; of so many
-- items with a threshold.
WITH low AS MATERIALIZED (
  SELECT item, available, threshold
  FROM (
    SELECT item, greatest(on_hand - reserved, 0) AS available, threshold
    FROM stock WHERE threshold IS NOT NULL
    ORDER BY item LIMIT CAST(:most AS bigint)
  ) AS guarded
  WHERE available < threshold
)
SELECT json_build_object(
  'count', (SELECT count(*) FROM low),
  'items', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT item, available, threshold FROM low
    ORDER BY available - threshold, item
    LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
