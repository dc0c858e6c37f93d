-- Forgets events that Kafka has, each only as the copy that it has. Losing this on a crash only
-- sends an event twice, so the commit does not wait for the disk.
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox
USING relaxed, unnest(CAST(:ids AS uuid[]), CAST(:copies AS bigint[])) AS sent (id, copy)
WHERE outbox.id = sent.id AND outbox.copy = sent.copy;
