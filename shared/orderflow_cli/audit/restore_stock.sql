-- Gives items that have no row of stock one with what their ledger says is on hand: there is no
-- other figure to follow.
INSERT INTO stock (item, on_hand)
SELECT item, greatest(coalesce(sum(on_hand_change), 0), 0)
FROM unnest(CAST(:items AS text[])) AS wanted (item)
LEFT JOIN stock_ledger USING (item)
WHERE NOT EXISTS (SELECT FROM stock WHERE stock.item = wanted.item)
GROUP BY item
ORDER BY item
ON CONFLICT (item) DO NOTHING
RETURNING item;
