-- Puts events back into the outbox, which is theirs until Kafka has them: an announcement that
-- Kafka does not take is not spent. Those that are still there stay as they are.
INSERT INTO outbox (
  id, aggregatetype, aggregateid, type, payload, sequence, source, traceparent, at, relay_at
)
SELECT
  id, aggregatetype, aggregateid, type, payload::json, sequence, source, traceparent, at, now()
FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event (
  id uuid, aggregatetype text, aggregateid text, type text, payload text, sequence integer,
  source text, traceparent text, at timestamptz
)
ON CONFLICT DO NOTHING;
