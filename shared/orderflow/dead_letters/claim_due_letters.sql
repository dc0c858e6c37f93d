-- Takes letters whose time has come; nobody else takes them for a while, which grows with every
-- try. Of each redrive only what its rate lets go in one step: where sweep is late, the others are
-- spread anew instead of going all at once. Failing again finds the letter given to Kafka, however
-- soon it does. Sent after this commit: no lock is held across a call to Kafka.
WITH due AS (
  SELECT redrive, letter, send_at, data_bytes
  FROM redriven_letters JOIN dead_letters ON dead_letters.position = letter
  WHERE acknowledged_at IS NULL AND send_at <= now() AND sendable
  ORDER BY send_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
),
numbered AS (
  SELECT
    redrive, letter, rate_per_s,
    row_number() OVER (PARTITION BY redrive ORDER BY send_at, letter) AS n,
    sum(data_bytes) OVER (ORDER BY send_at, redrive, letter) - data_bytes AS bytes_before
  FROM due JOIN redrives ON redrives.position = redrive
),
spread AS (
  SELECT
    redrive, letter, n, interval '1 second' / rate_per_s AS distance,
    n <= ceil(rate_per_s * CAST(:step_s AS float)) AND bytes_before < CAST(:bytes AS bigint) AS goes
  FROM numbered
),
claimed AS (
  UPDATE redriven_letters SET
    send_at = CASE
      WHEN goes THEN now() + 15 * 2 ^ least(tries, 4) * interval '1 second'
      ELSE now() + (n - 1) * distance
    END,
    sent_at = CASE WHEN goes THEN now() ELSE sent_at END,
    tries = CASE WHEN goes THEN tries + 1 ELSE tries END,
    came_back_at = CASE WHEN goes THEN NULL ELSE came_back_at END
  FROM spread
  WHERE redriven_letters.redrive = spread.redrive AND redriven_letters.letter = spread.letter
  RETURNING redriven_letters.redrive, redriven_letters.letter, n, goes
),
given AS (
  UPDATE dead_letters SET state = 'redriven'
  FROM claimed
  WHERE position = letter AND goes
  RETURNING redrive, letter, event_id, topic, attributes::text, data, n
)
SELECT redrive, letter, event_id, topic, attributes, data FROM given ORDER BY n;
