-- Puts events back into the outbox, which is theirs until Kafka has them: an announcement that
-- Kafka does not take is not spent. A row that is still there becomes that of the new copy, so that
-- it is not deleted with the copy before, which Kafka may have got just now.
INSERT INTO outbox
SELECT event.*, now(), extract(epoch FROM clock_timestamp()) * 1000000
FROM outbox_rows(CAST(:events AS jsonb)) AS event
ON CONFLICT (id) DO UPDATE SET copy = EXCLUDED.copy;
