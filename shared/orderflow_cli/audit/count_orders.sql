-- How many orders there are, and how many of those that callers were told are stored are not.
SELECT
  (SELECT count(*) FROM orders),
  (
    SELECT count(*) FROM unnest(CAST(:accepted AS text[])) AS told (order_id)
    WHERE NOT EXISTS (SELECT FROM orders WHERE orders.order_id = told.order_id)
  );
