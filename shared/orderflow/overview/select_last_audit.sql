-- What the last audit came to.
SELECT json_build_object(
  'audit_id', audit_id, 'at', finished_at, 'passed', differences = 0, 'differences', differences
)::text
FROM audits
ORDER BY audit_id DESC
LIMIT 1;
