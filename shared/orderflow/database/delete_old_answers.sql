-- Forgets what calls were answered a week ago: nobody repeats a call for so long.
WITH old AS (
  SELECT idempotency_key, subject FROM first_answers
  WHERE answered_at < now() - interval '7 days'
  ORDER BY answered_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM first_answers USING old
WHERE first_answers.idempotency_key = old.idempotency_key
  AND first_answers.subject = old.subject;
