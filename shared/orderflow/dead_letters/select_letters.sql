-- Letters as lists show them, what failed last first.
SELECT coalesce(json_agg(row), '[]')::text FROM (
  SELECT
    position AS id, state, event_id, type, order_id, item, topic, kafka_partition AS partition,
    kafka_offset AS "offset", sendable, consumer, destination, error_code, error_name AS error,
    error AS detail, failures, first_failed_at, last_failed_at
  FROM dead_letters
  WHERE position = ANY(CAST(:ids AS bigint[]))
  ORDER BY last_failed_at DESC, position DESC
) AS row;
