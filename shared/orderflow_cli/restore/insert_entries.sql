-- Stores entries of the ledger that are of no order and no change, under the numbers that they had.
INSERT INTO stock_ledger (
  entry, item, kind, on_hand_change, reserved_change, reason, occurred_at, recorded_at
)
OVERRIDING SYSTEM VALUE
SELECT entry, item, kind, on_hand_change, reserved_change, reason, occurred_at, recorded_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS movement (
  entry bigint, item text, kind text, on_hand_change bigint, reserved_change bigint, reason text,
  occurred_at timestamptz, recorded_at timestamptz
);
