-- Items whose free stock was not offered to all who wait for it.
SELECT item FROM stock WHERE fill_due ORDER BY item LIMIT CAST(:count AS bigint);
