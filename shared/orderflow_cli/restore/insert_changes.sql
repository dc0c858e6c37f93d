-- Stores inventory changes as an archive has them, with their entries of the ledger, under the
-- numbers that they had.
WITH archived AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS archived (
    position bigint, change_id text, item text, stock bigint, adjust bigint, reason text,
    occurred_at timestamptz, received_at timestamptz, fingerprint text, traceparent text,
    applied_at timestamptz, outcome text, announcements smallint, announce_at timestamptz,
    attention text, told_by text, idempotency_key text, threshold bigint, ledger jsonb
  )
),
told AS (
  INSERT INTO inventory_changes (
    position, change_id, item, stock, adjust, reason, occurred_at, received_at, fingerprint,
    traceparent, applied_at, outcome, announcements, announce_at, attention, told_by,
    idempotency_key, threshold
  )
  SELECT
    position, change_id, item, stock, adjust, reason, occurred_at, received_at, fingerprint,
    traceparent, applied_at, outcome, announcements, announce_at, attention, told_by,
    idempotency_key, threshold
  FROM archived
)
INSERT INTO stock_ledger (
  entry, item, kind, on_hand_change, reserved_change, change_position, reason, occurred_at,
  recorded_at
)
OVERRIDING SYSTEM VALUE
SELECT
  entry, movement.item, kind, on_hand_change, reserved_change, position, movement.reason,
  movement.occurred_at, recorded_at
FROM archived, jsonb_to_recordset(ledger) AS movement (
  entry bigint, item text, kind text, on_hand_change bigint, reserved_change bigint, reason text,
  occurred_at timestamptz, recorded_at timestamptz
);
