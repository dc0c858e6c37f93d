-- Some of the orders of a shop that has had many, all of them consistent: every kind of path
-- through the statuses, one to three lines an order, movements of all items mixed as they come in
-- real life. Every fifth order has `item 0`, and hardly one of these was rejected. A shop front
-- has placed four in ten, and 50,000 customers the others.
CREATE TEMPORARY TABLE placed AS
SELECT
  n AS position,
  timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second' AS placed_at,
  CASE
    WHEN n % 100 < 60 THEN ARRAY['pending', 'confirmed', 'shipped']
    WHEN n % 100 < 75 THEN ARRAY['pending', 'confirmed']
    WHEN n % 100 < 83 THEN ARRAY['pending', 'confirmed', 'cancelled']
    WHEN n % 100 < 87 THEN ARRAY['pending', 'cancelled']
    WHEN n % 100 = 90 AND n % 100000 <> 90 THEN ARRAY['pending', 'confirmed', 'shipped']
    WHEN n % 100 < 92 THEN ARRAY['pending', 'rejected']
    WHEN n % 100 < 95 THEN ARRAY['pending', 'backordered']
    WHEN n % 100 < 97 THEN ARRAY['pending', 'backordered', 'confirmed']
    WHEN n % 100 < 98 THEN ARRAY['pending', 'backordered', 'cancelled']
    ELSE ARRAY['pending']
  END AS path
FROM generate_series({first}, {last}) AS n;

INSERT INTO orders (
  position, order_id, fingerprint, on_shortage, status, sequence, traceparent, placed_at,
  updated_at, due_at, placed_by, attention
)
SELECT
  position, 'order ' || position, md5(position::text), 'backorder', path[cardinality(path)],
  cardinality(path), '', placed_at, placed_at, now() + interval '20 days',
  CASE
    WHEN position % 10 < 4 THEN 'shop front' ELSE 'customer ' || abs(hashint8(position) % 50000)
  END,
  CASE WHEN position % 20000 = 94 THEN 'waits for stock for a month' END
FROM placed ORDER BY position;

-- Only what still waits wants an item of which there is nothing.
INSERT INTO order_lines (position, line, item, quantity)
SELECT
  position, line,
  CASE
    WHEN line = 1 AND path[cardinality(path)] = 'backordered' THEN 'scarce ' || position % 20
    WHEN line = 1 AND position % 5 = 0 THEN 'item 0'
    -- The third line has the item of the first, as callers do it.
    WHEN position % 5 = 0 THEN 'item ' || 1 + position % 999
    ELSE 'item ' || 1 + abs(hashint8(position * 10 + line % 2) % 999)
  END,
  1 + position % 3
FROM placed, generate_series(1, CASE position % 7 WHEN 0 THEN 3 WHEN 1 THEN 2 ELSE 1 END) AS line
ORDER BY position, line;

INSERT INTO item_orders (item, status, position)
SELECT DISTINCT item, path[cardinality(path)], position
FROM placed JOIN order_lines USING (position) WHERE cardinality(path) > 1
ORDER BY position;

INSERT INTO order_history (position, sequence, status, cause, at)
SELECT position, sequence, status, 'as in any shop', placed_at + sequence * interval '1 minute'
FROM placed, unnest(path) WITH ORDINALITY AS step (status, sequence)
ORDER BY position + sequence * 1000;

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

DROP TABLE placed;
