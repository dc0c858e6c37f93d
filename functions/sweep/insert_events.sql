-- Puts events back into the outbox, which is theirs until Kafka has them: an announcement that
-- Kafka does not take is not spent. Those that are still there stay as they are.
INSERT INTO outbox
SELECT event.*, now() FROM outbox_rows(CAST(:events AS jsonb)) AS event
ON CONFLICT DO NOTHING;
