-- Keeps others from redriving, discarding or changing these letters until this transaction ends.
-- What they did before shows to the next statement only. Always in one order, against deadlocks.
SELECT count(*) FROM (
  SELECT FROM dead_letters
  WHERE position IN (SELECT value::bigint FROM jsonb_array_elements_text(CAST(:ids AS jsonb)))
  ORDER BY position
  FOR UPDATE
) AS locked;
