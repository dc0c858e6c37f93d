-- Inventory changes as an archive has them, each a line of JSON: every column there is, with the
-- entry of the ledger of one that was applied.
SELECT position, to_jsonb(whole)::text FROM (
  SELECT
    inventory_changes.*,
    (
      SELECT coalesce(json_agg(movement ORDER BY entry), '[]') FROM (
        SELECT
          entry, item, kind, on_hand_change, reserved_change, reason, occurred_at, recorded_at
        FROM stock_ledger WHERE change_position = inventory_changes.position
      ) AS movement
    ) AS ledger
  FROM inventory_changes
  WHERE position = ANY(CAST(:ids AS bigint[]))
) AS whole
ORDER BY position;
