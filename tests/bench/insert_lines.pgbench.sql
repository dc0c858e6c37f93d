-- What an order of 100 lines leaves in the database once it is allocated, row by row into the same
-- tables with all their indexes and rules: what PostgreSQL takes of them where nobody asks anything.
\set first random(0, 199)
BEGIN;
SELECT nextval('orders_position_seq') AS position \gset
INSERT INTO orders (
  position, order_id, fingerprint, on_shortage, status, sequence, traceparent, due_at
)
VALUES (
  :position, 'pgbench ' || :position, md5('pgbench'), 'backorder', 'confirmed', 2, '', now()
);
INSERT INTO order_lines (position, line, item, quantity)
SELECT :position, n, 'Part ' || (:first + n) % 200, 1 FROM generate_series(1, 100) AS n;
INSERT INTO order_history (position, sequence, status, cause)
VALUES (:position, 1, 'pending', 'order received'), (:position, 2, 'confirmed', 'stock reserved');
INSERT INTO stock_ledger (
  item, kind, on_hand_change, reserved_change, order_position, occurred_at
)
SELECT 'Part ' || (:first + n) % 200, 'reserve', 0, 1, :position, now()
FROM generate_series(1, 100) AS n;
COMMIT;
