-- A shop that has had many orders, all of them consistent: every kind of path through the
-- statuses, one to three lines an order, movements of all items mixed as they come in real life.
CREATE TEMPORARY TABLE placed AS
SELECT
  n AS position,
  timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second' AS placed_at,
  CASE
    WHEN n % 100 < 60 THEN ARRAY['pending', 'confirmed', 'shipped']
    WHEN n % 100 < 75 THEN ARRAY['pending', 'confirmed']
    WHEN n % 100 < 83 THEN ARRAY['pending', 'confirmed', 'cancelled']
    WHEN n % 100 < 87 THEN ARRAY['pending', 'cancelled']
    WHEN n % 100 < 92 THEN ARRAY['pending', 'rejected']
    WHEN n % 100 < 95 THEN ARRAY['pending', 'backordered']
    WHEN n % 100 < 97 THEN ARRAY['pending', 'backordered', 'confirmed']
    WHEN n % 100 < 98 THEN ARRAY['pending', 'backordered', 'cancelled']
    ELSE ARRAY['pending']
  END AS path
FROM generate_series(1, {orders}) AS n;

INSERT INTO orders (
  position, order_id, fingerprint, on_shortage, status, sequence, traceparent, placed_at,
  updated_at, due_at
)
SELECT
  position, 'order ' || position, md5(position::text), 'backorder', path[cardinality(path)],
  cardinality(path), '', placed_at, placed_at, now() + interval '20 days'
FROM placed ORDER BY position;
SELECT setval('orders_position_seq', {orders});

-- Only what still waits wants an item of which there is nothing.
INSERT INTO order_lines (position, line, item, quantity)
SELECT
  position, line,
  CASE
    WHEN line = 1 AND path[cardinality(path)] = 'backordered' THEN 'scarce ' || position % 20
    -- The third line has the item of the first, as callers do it.
    ELSE 'item ' || abs(hashint8(position * 10 + line % 2) % 1000)
  END,
  1 + position % 3
FROM placed, generate_series(1, CASE position % 7 WHEN 0 THEN 3 WHEN 1 THEN 2 ELSE 1 END) AS line
ORDER BY position, line;

INSERT INTO order_history (position, sequence, status, cause, at)
SELECT position, sequence, status, 'as in any shop', placed_at + sequence * interval '1 minute'
FROM placed, unnest(path) WITH ORDINALITY AS step (status, sequence)
ORDER BY position + sequence * 1000;

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

INSERT INTO stock_ledger (
  item, kind, on_hand_change, reserved_change, order_position, occurred_at, recorded_at
)
SELECT
  item, kind, quantity * on_hand, quantity * reserved, position, happened_at, happened_at
FROM placed
CROSS JOIN LATERAL (
  SELECT
    sequence, placed_at + sequence * interval '1 minute' AS happened_at, status AS enters,
    lag(status) OVER (ORDER BY sequence) AS leaves
  FROM unnest(path) WITH ORDINALITY AS step (status, sequence)
) AS step
JOIN (
  VALUES
    ('confirmed', 'reserve', 0, 1), ('cancelled', 'release', 0, -1), ('shipped', 'ship', -1, -1)
) AS effect (enters, kind, on_hand, reserved) USING (enters)
CROSS JOIN LATERAL (
  SELECT item, sum(quantity) AS quantity FROM order_lines
  WHERE order_lines.position = placed.position GROUP BY item
) AS needed
WHERE kind <> 'release' OR leaves = 'confirmed'
ORDER BY position + sequence * 1000, item;

INSERT INTO stock (item, on_hand, reserved, counted_at)
SELECT item, sum(on_hand_change), sum(reserved_change), '2025-12-31'
FROM stock_ledger GROUP BY item;
INSERT INTO stock (item) SELECT 'scarce ' || n FROM generate_series(0, 19) AS n;

INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
SELECT item, position, sum(quantity), item, sum(quantity)
FROM orders JOIN order_lines USING (position) WHERE status = 'backordered'
GROUP BY item, position ORDER BY position, item;
