-- How many orders nobody has decided on yet.
SELECT count(*) FROM orders WHERE status = 'pending';
