-- Brings locked items' ledger to what is on hand by their row, and row and ledger to what confirmed
-- orders hold; each item that is repaired gets one entry that says so. More than is on hand cannot
-- be promised, whoever asks: where orders hold more, and more than is reserved, reserved stays.
WITH wanted AS MATERIALIZED (
  SELECT unnest(CAST(:items AS text[])) AS item
),
ledger AS (
  SELECT item, sum(on_hand_change)::bigint AS on_hand, sum(reserved_change)::bigint AS reserved
  FROM stock_ledger WHERE item IN (SELECT item FROM wanted) GROUP BY item
),
held AS (
  SELECT item, sum(quantity)::bigint AS units
  FROM order_lines JOIN orders USING (position)
  WHERE item IN (SELECT item FROM wanted) AND status = 'confirmed'
  GROUP BY item
),
known AS MATERIALIZED (
  SELECT
    item, stock.on_hand, stock.reserved, coalesce(held.units, 0) AS held,
    coalesce(ledger.on_hand, 0) AS on_hand_by_ledger,
    coalesce(ledger.reserved, 0) AS reserved_by_ledger
  FROM stock LEFT JOIN ledger USING (item) LEFT JOIN held USING (item)
  WHERE item IN (SELECT item FROM wanted)
),
target AS MATERIALIZED (
  SELECT
    known.*, repairable, on_hand - on_hand_by_ledger AS on_hand_change,
    CASE WHEN repairable THEN held - reserved_by_ledger ELSE 0 END AS reserved_change
  FROM known, LATERAL (SELECT held <= on_hand OR held <= reserved AS repairable) AS may
),
off AS MATERIALIZED (
  SELECT * FROM target
  WHERE on_hand_change <> 0 OR reserved_change <> 0 OR (repairable AND reserved <> held)
    OR item = ANY(CAST(:restored AS text[]))
),
brought AS (
  UPDATE stock SET reserved = off.held
  FROM off
  WHERE stock.item = off.item AND repairable AND stock.reserved <> off.held
)
INSERT INTO stock_ledger (item, kind, on_hand_change, reserved_change, reason, occurred_at)
SELECT
  item, 'repair', on_hand_change, reserved_change,
  format(
    'repaired by %s: on hand were %s in stock and %s in the ledger; '
    'reserved were %s in stock, %s in the ledger and %s by confirmed orders',
    CAST(:by AS text), on_hand, on_hand_by_ledger, reserved, reserved_by_ledger, held
  ),
  now()
FROM off
ORDER BY item
RETURNING entry, item, on_hand_change, reserved_change, reason;
