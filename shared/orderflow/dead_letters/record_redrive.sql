-- Records who asked for what, and what is to become of the letters, in the order given: each is
-- discarded now or, where there is a rate, sent at its time.
WITH chosen AS (
  SELECT letter, n FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS chosen (letter, n)
),
recorded AS (
  INSERT INTO redrives (action, asked_by, selection, matched, rate_per_s)
  SELECT
    CASE WHEN CAST(:rate_per_s AS integer) IS NULL THEN 'discard' ELSE 'redrive' END,
    :by, CAST(:selection AS jsonb), count(*), CAST(:rate_per_s AS integer)
  FROM chosen
  RETURNING position, rate_per_s
),
listed AS (
  INSERT INTO redriven_letters (redrive, letter, send_at)
  SELECT position, letter, now() + (n - 1) * (interval '1 second' / rate_per_s)
  FROM recorded, chosen
  RETURNING send_at
),
moved AS (
  UPDATE dead_letters SET
    state = CASE WHEN rate_per_s IS NULL THEN 'discarded' ELSE 'redriving' END
  FROM recorded, chosen
  WHERE dead_letters.position = chosen.letter
)
SELECT json_build_object(
  'redrive', position, 'last_send_at', (SELECT max(send_at) FROM listed)
)::text
FROM recorded;
