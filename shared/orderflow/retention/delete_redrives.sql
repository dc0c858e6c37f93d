-- Forgets redrives and discards from long ago, once their letters are forgotten.
WITH old AS (
  SELECT position FROM redrives
  WHERE asked_at < now() - CAST(:days AS integer) * interval '1 day'
    AND NOT EXISTS (SELECT FROM redriven_letters WHERE redrive = position)
  ORDER BY asked_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM redrives
USING old
WHERE redrives.position = old.position
RETURNING old.position;
