-- Forgets failed attempts at what nobody has tried for long: it was processed, or is kept as a dead
-- letter.
WITH old AS (
  SELECT identity FROM attempts
  WHERE last_failed_at < now() - CAST(:days AS integer) * interval '1 day'
  ORDER BY last_failed_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM attempts
USING old
WHERE attempts.identity = old.identity
RETURNING old.identity;
