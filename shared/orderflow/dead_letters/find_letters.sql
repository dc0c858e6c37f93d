-- Finds letters by a filter, what failed last first. Each branch is served by one index, from its
-- most telling column on; of the branches only one is run, because the others ask for a column
-- that is not given or must not be. Its caller makes the end of a time a place in the list.
SELECT coalesce(json_agg(position ORDER BY last_failed_at DESC, position DESC), '[]')::text FROM (
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE order_id = :order_id
      AND (CAST(:item AS text) IS NULL OR item = :item)
      AND (CAST(:error AS text) IS NULL OR error_name = :error)
      AND (CAST(:type AS text) IS NULL OR type = :type)
      AND (CAST(:consumer AS text) IS NULL OR consumer = :consumer)
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE CAST(:order_id AS text) IS NULL AND item = :item
      AND (CAST(:error AS text) IS NULL OR error_name = :error)
      AND (CAST(:type AS text) IS NULL OR type = :type)
      AND (CAST(:consumer AS text) IS NULL OR consumer = :consumer)
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE coalesce(CAST(:order_id AS text), :item) IS NULL AND error_name = :error
      AND (CAST(:type AS text) IS NULL OR type = :type)
      AND (CAST(:consumer AS text) IS NULL OR consumer = :consumer)
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE coalesce(CAST(:order_id AS text), :item, :error) IS NULL AND type = :type
      AND (CAST(:consumer AS text) IS NULL OR consumer = :consumer)
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE coalesce(CAST(:order_id AS text), :item, :error, :type) IS NULL AND consumer = :consumer
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, last_failed_at FROM dead_letters
    WHERE coalesce(CAST(:order_id AS text), :item, :error, :type, :consumer) IS NULL
      AND state = :state AND (sendable OR NOT CAST(:sendable AS boolean))
      AND last_failed_at > CAST(:failed_after AS timestamptz)
      AND (last_failed_at, position) < (CAST(:below_at AS timestamptz), CAST(:below AS bigint))
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
) AS found;
