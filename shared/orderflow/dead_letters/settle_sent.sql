-- Notes what Kafka said of each letter. What it will not take, or did not in many tries, is kept as
-- before.
WITH told AS (
  SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS told (
    redrive bigint, letter bigint, error text, final boolean
  )
),
noted AS (
  UPDATE redriven_letters SET
    acknowledged_at = CASE WHEN told.error IS NULL THEN now() END,
    error = told.error,
    send_at = CASE
      WHEN told.error IS NULL OR NOT final AND tries < CAST(:tries AS integer) THEN send_at
    END
  FROM told
  WHERE redriven_letters.redrive = told.redrive AND redriven_letters.letter = told.letter
    AND acknowledged_at IS NULL
  RETURNING redriven_letters.letter, send_at
)
UPDATE dead_letters SET state = 'kept'
FROM noted
WHERE position = letter AND send_at IS NULL AND state = 'redriven';
