-- How many letters there are of each type and error, the most first.
SELECT coalesce(json_agg(row), '[]')::text FROM (
  SELECT type, error_name AS error, count(*) AS letters
  FROM dead_letters
  WHERE position = ANY(CAST(:ids AS bigint[]))
  GROUP BY type, error_name
  ORDER BY letters DESC, type, error_name
  LIMIT CAST(:count AS bigint)
) AS row;
