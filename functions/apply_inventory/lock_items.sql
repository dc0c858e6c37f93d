-- Locks the items' stock, in order of item.
SELECT item, on_hand, reserved, counted_at FROM stock
WHERE item = ANY(CAST(:items AS text[]))
ORDER BY item
FOR UPDATE;
