-- Everything about one letter, and what became of it each time that it was redriven or discarded.
SELECT to_json(row)::text FROM (
  SELECT
    position AS id, state, event_id, type, order_id, item, topic, kafka_partition AS partition,
    kafka_offset AS "offset", sendable, consumer, destination, error_code, error_name AS error,
    error AS detail, failures, first_failed_at, last_failed_at, attributes,
    encode(data, 'base64') AS data_base64, data_bytes,
    (
      SELECT coalesce(json_agg(become), '[]') FROM (
        SELECT
          redrive, action, asked_by AS by, asked_at AS at, send_at, sent_at, tries,
          acknowledged_at, redriven_letters.error, came_back_at
        FROM redriven_letters JOIN redrives ON redrives.position = redrive
        WHERE letter = dead_letters.position
        ORDER BY redrive DESC
        LIMIT CAST(:redrives AS bigint)
      ) AS become
    ) AS redrives
  FROM dead_letters
  WHERE position = :id
) AS row;
