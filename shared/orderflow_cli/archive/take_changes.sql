-- Locks inventory changes that are in the archive, and notes what is left of them; says which
-- entries of the ledger are theirs, and how many changes others hold just now.
WITH given AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS given (
    position bigint, change_id text
  )
),
taken AS MATERIALIZED (
  SELECT change.position, change.change_id, idempotency_key, fingerprint, told_by
  FROM given JOIN inventory_changes AS change ON change.position = given.position
  WHERE change.change_id = given.change_id AND outcome IS NOT NULL
  FOR UPDATE OF change SKIP LOCKED
),
noted AS (
  INSERT INTO archived_changes (change_id, idempotency_key, fingerprint, told_by, archive)
  SELECT change_id, idempotency_key, fingerprint, told_by, archives.position
  FROM taken, archives WHERE archive_id = :archive_id
)
SELECT json_build_object(
  'taken', (SELECT coalesce(json_agg(position), '[]') FROM taken),
  'entries', (
    SELECT coalesce(json_agg(entry), '[]')
    FROM taken JOIN stock_ledger ON change_position = taken.position
  ),
  'left', (SELECT count(*) FROM given JOIN inventory_changes USING (position, change_id))
    - (SELECT count(*) FROM taken)
)::text;
