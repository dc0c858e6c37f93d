-- Keeps others from redriving, discarding or changing these letters until this transaction ends.
-- What they did before shows to the next statement only. Always in one order, against deadlocks.
SELECT count(*) FROM (
  SELECT FROM dead_letters
  WHERE position = ANY(CAST(:ids AS bigint[]))
  ORDER BY position
  FOR UPDATE
) AS locked;
