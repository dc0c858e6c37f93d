-- Locks the items' stock, in order of item.
SELECT item, on_hand, counted_at FROM stock
WHERE item IN (SELECT jsonb_array_elements_text(CAST(:items AS jsonb)))
ORDER BY item
FOR UPDATE;
