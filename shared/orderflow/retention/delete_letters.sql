-- Forgets letters that are long done, and what they were redriven by. One that was sent of late
-- may still come back, and then is to be known. A letter that is kept is nobody's to forget.
WITH old AS (
  SELECT position FROM dead_letters
  WHERE state IN ('redriven', 'settled', 'discarded')
    AND last_failed_at < now() - CAST(:days AS integer) * interval '1 day'
    AND NOT EXISTS (
      SELECT FROM redriven_letters
      WHERE letter = position
        AND (acknowledged_at > now() - interval '1 day'
          OR acknowledged_at IS NULL AND send_at IS NOT NULL)
    )
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM dead_letters
USING old
WHERE dead_letters.position = old.position
RETURNING old.position;
