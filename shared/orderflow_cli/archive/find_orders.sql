-- Of the next orders by position, those that were closed before a time; and the last that was
-- looked at, so that a step is bounded however few of them are. It ends where no order is so old.
-- An order of which an event is still to be sent stays.
SELECT json_build_object(
  'last', max(position),
  'found', coalesce(json_agg(position ORDER BY position) FILTER (WHERE goes), '[]')
)::text
FROM (
  SELECT
    position,
    status IN ('rejected', 'cancelled', 'shipped')
      AND updated_at < CAST(:before AS timestamptz)
      AND NOT EXISTS (
        SELECT FROM outbox
        WHERE aggregateid = order_id AND aggregatetype IN ('orders', 'order-events')
      ) AS goes
  FROM orders
  WHERE position > CAST(:after AS bigint)
    AND position < coalesce(position_after(CAST(:before AS timestamptz)), 9223372036854775807)
  ORDER BY position
  LIMIT CAST(:count AS bigint)
) AS looked_at;
