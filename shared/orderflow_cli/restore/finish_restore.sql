-- Makes stock the sum of its ledger, and has what comes later numbered above all that there is.
-- Stock comes last, so that the rule on reservations does not hold past ones against it.
WITH balance AS (
  INSERT INTO stock (item, on_hand, reserved, counted_at)
  SELECT
    item, sum(on_hand_change), sum(reserved_change),
    max(occurred_at) FILTER (WHERE kind = 'count')
  FROM stock_ledger
  GROUP BY item
)
SELECT
  setval(pg_get_serial_sequence('orders', 'position'), greatest(max(orders.last), 1)),
  setval(pg_get_serial_sequence('inventory_changes', 'position'), greatest(max(changes.last), 1)),
  setval(pg_get_serial_sequence('stock_ledger', 'entry'), greatest(max(entries.last), 1))
FROM (SELECT max(position) AS last FROM orders) AS orders,
  (SELECT max(position) AS last FROM inventory_changes) AS changes,
  (SELECT max(entry) AS last FROM stock_ledger) AS entries;
