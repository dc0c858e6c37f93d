-- What decides whether letters can be redriven or discarded, in the order in which they failed. As
-- one value: thousands of rows take the driver longer than the database.
SELECT coalesce(json_agg(json_build_array(
  position, state, sendable, type, consumer, topic, kafka_partition, kafka_offset, whole, waits
) ORDER BY last_failed_at, position), '[]')::text
FROM (
  SELECT
    position, state, sendable, type, consumer, topic, kafka_partition, kafka_offset,
    data_bytes = length(data) AS whole, last_failed_at,
    EXISTS (
      SELECT FROM redriven_letters
      WHERE letter = position AND acknowledged_at IS NULL AND send_at IS NOT NULL
    ) AS waits
  FROM dead_letters
  WHERE position = ANY(CAST(:ids AS bigint[]))
) AS examined;
