-- The next opening balances: what the archives before this one left. All of them, whatever the
-- time.
SELECT json_build_object('last', max(entry), 'found', coalesce(json_agg(entry), '[]'))::text
FROM (
  SELECT entry FROM stock_ledger
  WHERE kind = 'opening' AND entry > CAST(:after AS bigint)
  ORDER BY entry
  LIMIT CAST(:count AS bigint)
) AS opening;
