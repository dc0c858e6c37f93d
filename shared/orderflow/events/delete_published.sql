-- Forgets events that Kafka has. Losing this on a crash only sends an event twice, so the commit
-- does not wait for the disk.
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox
USING relaxed
WHERE id = ANY(CAST(:ids AS uuid[]));
