-- One audit and what each check found.
SELECT to_json(row)::text FROM (
  SELECT
    audit_id, started_at, finished_at, asked_by,
    differences = 0 AS passed, differences, counted, checks
  FROM audits
  WHERE audit_id = CAST(:audit_id AS bigint)
) AS row;
