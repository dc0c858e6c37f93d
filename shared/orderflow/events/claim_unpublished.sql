-- Takes the oldest events that their writers did not get to Kafka; nobody else takes them for a
-- while. The publishing happens after this commit: no lock is held across a call to Kafka.
WITH due AS (
  SELECT id FROM outbox
  WHERE relay_at <= now()
  ORDER BY relay_at, sequence
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET relay_at = now() + interval '15 seconds'
FROM due
WHERE outbox.id = due.id
RETURNING to_json(outbox)::text;
