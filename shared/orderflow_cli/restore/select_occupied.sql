-- Which tables have rows already, of those that an archive fills or builds on.
SELECT name FROM (
  VALUES
    ('orders', EXISTS (SELECT FROM orders)),
    ('inventory changes', EXISTS (SELECT FROM inventory_changes)),
    ('entries of the ledger', EXISTS (SELECT FROM stock_ledger)),
    ('items', EXISTS (SELECT FROM stock)),
    ('archives of its own', EXISTS (SELECT FROM archives))
) AS occupied (name, has_rows)
WHERE has_rows;
