-- What follows from the orders of a history: stock, who waits for it, and how many there are.
TRUNCATE stock, backorders;
INSERT INTO stock (item, on_hand, reserved, counted_at)
SELECT item, sum(on_hand_change), sum(reserved_change), '2025-12-31'
FROM stock_ledger GROUP BY item;
INSERT INTO stock (item) SELECT 'scarce ' || n FROM generate_series(0, 19) AS n;

-- What an order waits for is the item of its first line; of the others there is enough.
INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
SELECT lines.item, position, sum(lines.quantity), first.item, first.quantity
FROM orders
JOIN order_lines AS lines USING (position)
JOIN order_lines AS first USING (position)
WHERE status = 'backordered' AND first.line = 1
GROUP BY lines.item, position, first.item, first.quantity ORDER BY position, lines.item;

SELECT setval('orders_position_seq', max(position)) FROM orders;

-- The triggers that count were off meanwhile.
TRUNCATE order_deltas;
INSERT INTO order_counts (status, n) SELECT status, count(*) FROM orders GROUP BY status
ON CONFLICT (status) DO UPDATE SET n = excluded.n;
