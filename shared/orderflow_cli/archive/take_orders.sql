-- Locks orders that are in the archive as they are in it, and notes what is left of them; says
-- which entries of the ledger are theirs, and how many orders others hold just now.
WITH given AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS given (
    position bigint, order_id text, sequence integer
  )
),
taken AS MATERIALIZED (
  SELECT orders.position, orders.order_id, idempotency_key, fingerprint, placed_by
  FROM given JOIN orders ON orders.position = given.position
  WHERE orders.order_id = given.order_id AND orders.sequence = given.sequence
    AND status IN ('rejected', 'cancelled', 'shipped')
  FOR UPDATE OF orders SKIP LOCKED
),
noted AS (
  INSERT INTO archived_orders (order_id, idempotency_key, fingerprint, placed_by, archive)
  SELECT order_id, idempotency_key, fingerprint, placed_by, archives.position
  FROM taken, archives WHERE archive_id = :archive_id
)
SELECT json_build_object(
  'taken', (SELECT coalesce(json_agg(position), '[]') FROM taken),
  'entries', (
    SELECT coalesce(json_agg(entry), '[]')
    FROM taken JOIN stock_ledger ON order_position = taken.position
  ),
  'left', (SELECT count(*) FROM given JOIN orders USING (position, order_id))
    - (SELECT count(*) FROM taken)
)::text;
