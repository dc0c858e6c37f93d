-- Stores each event once, however often it fails, in one statement. Equal ones of a batch are one
-- row that counts them, and tells of the last. Inserted in order of identity, so that processes
-- that get the same letters do not deadlock. What was done with and comes back is kept again; what
-- is still to be sent, and what was discarded, is only counted. The redrive that an event came back
-- from is the newest that sent it.
WITH arrived AS (
  SELECT * FROM json_to_recordset(CAST(:letters AS json)) AS letter (
    number integer, identity text, event_id text, type text, order_id text, item text,
    topic text, kafka_partition integer, kafka_offset bigint, attributes jsonb, data text,
    data_bytes bigint, destination text, consumer text,
    error_code smallint, error_type text, error text
  )
),
distinct_letters AS (
  SELECT DISTINCT ON (identity) *, count(*) OVER (PARTITION BY identity) AS failures
  FROM arrived
  ORDER BY identity, number DESC
),
kept AS (
  INSERT INTO dead_letters AS letter (
    identity, event_id, type, order_id, item, topic, kafka_partition, kafka_offset, attributes,
    data, data_bytes, destination, consumer, error_code, error_type, error, failures
  )
  SELECT
    identity, event_id, type, order_id, item, topic, kafka_partition, kafka_offset, attributes,
    decode(data, 'base64'), data_bytes, destination, consumer, error_code, error_type, error,
    failures
  FROM distinct_letters
  ORDER BY identity
  ON CONFLICT (identity) DO UPDATE SET
    topic = EXCLUDED.topic,
    kafka_partition = EXCLUDED.kafka_partition,
    kafka_offset = EXCLUDED.kafka_offset,
    consumer = EXCLUDED.consumer,
    error_code = EXCLUDED.error_code,
    error_type = EXCLUDED.error_type,
    error = EXCLUDED.error,
    failures = letter.failures + EXCLUDED.failures,
    last_failed_at = now(),
    state = CASE WHEN letter.state IN ('redriven', 'settled') THEN 'kept' ELSE letter.state END
  RETURNING position
)
UPDATE redriven_letters SET came_back_at = now()
FROM kept
WHERE letter = kept.position
  AND sent_at IS NOT NULL
  AND came_back_at IS NULL
  AND redrive = (
    SELECT max(newest.redrive) FROM redriven_letters AS newest
    WHERE newest.letter = kept.position
  );
