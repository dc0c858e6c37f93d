-- Which repairs that are in the archive are still entries of their own.
SELECT json_build_object(
  'taken', '[]'::json, 'entries', coalesce(json_agg(entry), '[]'), 'left', 0
)::text
FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS given (entry bigint)
JOIN stock_ledger USING (entry)
WHERE kind = 'repair';
