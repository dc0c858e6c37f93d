-- Entries of the ledger that are of no order and no change, each a line of JSON.
SELECT entry, to_jsonb(whole)::text FROM (
  SELECT entry, item, kind, on_hand_change, reserved_change, reason, occurred_at, recorded_at
  FROM stock_ledger
  WHERE entry = ANY(CAST(:ids AS bigint[]))
) AS whole
ORDER BY entry;
