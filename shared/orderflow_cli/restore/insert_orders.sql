-- Stores orders as an archive has them, with lines, history and entries of the ledger, under the
-- numbers that they had, and what lists find them by, which follows moves alone.
WITH archived AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS archived (
    position bigint, order_id text, idempotency_key text, fingerprint text, on_shortage text,
    status text, sequence integer, traceparent text, placed_at timestamptz, updated_at timestamptz,
    announcements smallint, due_at timestamptz, hold_minutes integer, attention text,
    short_of text[], placed_by text, lines jsonb, history jsonb, ledger jsonb
  )
),
placed AS (
  INSERT INTO orders (
    position, order_id, idempotency_key, fingerprint, on_shortage, status, sequence, traceparent,
    placed_at, updated_at, announcements, due_at, hold_minutes, attention, short_of, placed_by
  )
  SELECT
    position, order_id, idempotency_key, fingerprint, on_shortage, status, sequence, traceparent,
    placed_at, updated_at, announcements, due_at, hold_minutes, attention, short_of, placed_by
  FROM archived
),
lined AS (
  INSERT INTO order_lines (position, line, item, quantity)
  SELECT position, wanted.line, item, quantity
  FROM archived, jsonb_to_recordset(lines) AS wanted (line smallint, item text, quantity integer)
),
found_by AS (
  INSERT INTO item_orders (item, status, position)
  SELECT DISTINCT item, status, position
  FROM archived, jsonb_to_recordset(lines) AS wanted (item text)
),
stepped AS (
  INSERT INTO order_history (position, sequence, status, cause, at, asked_by)
  SELECT position, step.sequence, step.status, cause, at, asked_by
  FROM archived, jsonb_to_recordset(history) AS step (
    sequence integer, status text, cause text, at timestamptz, asked_by text
  )
)
INSERT INTO stock_ledger (
  entry, item, kind, on_hand_change, reserved_change, order_position, reason, occurred_at,
  recorded_at
)
OVERRIDING SYSTEM VALUE
SELECT
  entry, item, kind, on_hand_change, reserved_change, position, reason, occurred_at, recorded_at
FROM archived, jsonb_to_recordset(ledger) AS movement (
  entry bigint, item text, kind text, on_hand_change bigint, reserved_change bigint, reason text,
  occurred_at timestamptz, recorded_at timestamptz
);
