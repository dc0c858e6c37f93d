-- What became of every order, and how many events it has had.
SELECT order_id, status, sequence FROM orders;
