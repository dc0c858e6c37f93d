-- Which of these locked items backorders wait for. A statement of its own: the one that waited for
-- the locks cannot see who joined a queue meanwhile, and would leave it to the next sweep.
SELECT item FROM stock
WHERE item = ANY(CAST(:items AS text[]))
  AND (fill_due OR EXISTS (SELECT FROM backorders WHERE backorders.item = stock.item))
ORDER BY item;
