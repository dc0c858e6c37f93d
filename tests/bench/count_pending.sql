-- Orders that nobody has decided.
SELECT count(*) FROM orders WHERE status = 'pending';
