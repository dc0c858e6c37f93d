-- A page of audits, newest first, without what their checks found.
SELECT coalesce(json_agg(row), '[]')::text FROM (
  SELECT
    audit_id, started_at, finished_at, asked_by, differences = 0 AS passed, differences
  FROM audits
  WHERE audit_id < CAST(:below AS bigint)
  ORDER BY audit_id DESC
  LIMIT CAST(:count AS bigint)
) AS row;
