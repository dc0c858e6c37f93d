-- Forgets what calls were answered so long ago that nobody repeats them.
WITH old AS (
  SELECT idempotency_key, subject FROM first_answers
  WHERE answered_at < now() - CAST(:days AS integer) * interval '1 day'
  ORDER BY answered_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM first_answers USING old
WHERE first_answers.idempotency_key = old.idempotency_key
  AND first_answers.subject = old.subject
RETURNING old.idempotency_key;
