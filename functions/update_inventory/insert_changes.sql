-- Stores every change that is new, with its event, in one statement. A change that says it comes
-- from the future happened now: a caller's clock must not make later counts worthless. Inserted
-- in order of id, so that processes that get the same changes do not deadlock; positions are
-- drawn in order of arrival. What is in an archive is not new.
WITH arrived AS (
  SELECT * FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS arrival (
    number integer, change_id text, item text, stock bigint, adjust bigint, threshold bigint,
    reason text, occurred_at timestamptz, fingerprint text, idempotency_key text, told_by text,
    event jsonb
  )
  ORDER BY number
),
numbered AS MATERIALIZED (
  SELECT nextval('inventory_changes_position_seq') AS position, clock_timestamp() AS now, *
  FROM arrived
),
recorded AS (
  INSERT INTO inventory_changes (
    position, change_id, item, stock, adjust, threshold, reason, occurred_at, fingerprint,
    idempotency_key, told_by, traceparent, announce_at
  )
  SELECT
    position, change_id, item, stock, adjust, threshold, reason, least(occurred_at, now),
    fingerprint, idempotency_key, told_by, event ->> 'traceparent', now + interval '3 seconds'
  FROM numbered
  WHERE NOT EXISTS (
    SELECT FROM archived_changes WHERE archived_changes.change_id = numbered.change_id
  ) AND NOT EXISTS (
    SELECT FROM archived_changes
    WHERE archived_changes.idempotency_key = numbered.idempotency_key
      AND archived_changes.told_by = numbered.told_by
  )
  ORDER BY change_id, number
  ON CONFLICT DO NOTHING
  RETURNING position
),
new AS MATERIALIZED (
  SELECT numbered.* FROM recorded JOIN numbered USING (position)
),
events AS (
  INSERT INTO outbox
  SELECT stored.* FROM new, outbox_rows(jsonb_build_array(new.event)) AS stored
)
SELECT number FROM new;
