-- What the orders of a history need: items, each counted once before the first order.
INSERT INTO inventory_changes (
  change_id, item, stock, occurred_at, fingerprint, traceparent, applied_at, outcome, announce_at
)
SELECT
  'count of ' || item, item, 100000000, '2025-12-31', '', '', '2025-12-31', 'applied', '2025-12-31'
FROM generate_series(0, 999) AS n, concat('item ', n) AS item;

INSERT INTO stock_ledger (
  item, kind, on_hand_change, reserved_change, change_position, occurred_at
)
SELECT item, 'count', stock, 0, position, occurred_at FROM inventory_changes ORDER BY position;
