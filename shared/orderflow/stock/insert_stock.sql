-- Gives every item a row, which is its lock, before the first decision on it.
INSERT INTO stock (item)
SELECT item FROM unnest(CAST(:items AS text[])) AS new (item)
ORDER BY item
ON CONFLICT (item) DO NOTHING;
