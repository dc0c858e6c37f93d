-- What became of every change, and how often it is in the ledger.
SELECT
  change_id, outcome,
  (SELECT count(*) FROM stock_ledger WHERE change_position = inventory_changes.position)
FROM inventory_changes;
