-- Locks items, in order of item like everybody. What is true of them is read afterwards, by a
-- statement of its own: this one cannot see what was committed while it waited.
SELECT item FROM stock
WHERE item IN (SELECT jsonb_array_elements_text(CAST(:items AS jsonb)))
ORDER BY item
FOR UPDATE;
