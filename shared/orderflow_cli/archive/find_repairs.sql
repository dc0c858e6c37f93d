-- The next repairs of the ledger from before a time: those above an entry, which are few.
SELECT json_build_object('last', max(entry), 'found', coalesce(json_agg(entry), '[]'))::text
FROM (
  SELECT entry FROM stock_ledger
  WHERE kind = 'repair' AND entry > CAST(:after AS bigint)
    AND recorded_at < CAST(:before AS timestamptz)
  ORDER BY entry
  LIMIT CAST(:count AS bigint)
) AS repair;
