-- Stock that differs from the sums of its ledger. An item without a row has nothing.
WITH ledger AS MATERIALIZED (
  SELECT
    item, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved, count(*) AS entries
  FROM stock_ledger GROUP BY item
),
difference AS MATERIALIZED (
  SELECT
    item, stock.on_hand, ledger.on_hand AS on_hand_by_ledger,
    stock.reserved, ledger.reserved AS reserved_by_ledger
  FROM stock FULL JOIN ledger USING (item)
  WHERE coalesce(stock.on_hand, 0) <> coalesce(ledger.on_hand, 0)
    OR coalesce(stock.reserved, 0) <> coalesce(ledger.reserved, 0)
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM stock) + (SELECT coalesce(sum(entries), 0) FROM ledger),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT * FROM difference ORDER BY item LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
