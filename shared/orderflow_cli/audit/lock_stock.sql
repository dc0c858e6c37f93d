-- Locks items, in order of item like everybody. What is true of them is read afterwards, by a
-- statement of its own: this one cannot see what was committed while it waited.
SELECT item FROM stock
WHERE item = ANY(CAST(:items AS text[]))
ORDER BY item
FOR UPDATE;
