-- How many letters a redrive leaves out, from the index of those: they are few.
SELECT count(*) FROM (
  SELECT FROM dead_letters
  WHERE NOT sendable AND state = :state
    AND (CAST(:order_id AS text) IS NULL OR order_id = :order_id)
    AND (CAST(:item AS text) IS NULL OR item = :item)
    AND (CAST(:error AS text) IS NULL OR error_name = :error)
    AND (CAST(:type AS text) IS NULL OR type = :type)
    AND (CAST(:consumer AS text) IS NULL OR consumer = :consumer)
    AND last_failed_at > CAST(:failed_after AS timestamptz)
    AND last_failed_at < CAST(:failed_before AS timestamptz)
  LIMIT CAST(:count AS bigint)
) AS left_out;
