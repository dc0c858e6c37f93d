-- A page of orders of one status, newest first, from the index on status. The times become
-- positions as in select_orders.sql.
SELECT position, to_json(row)::text FROM (
  SELECT
    position, order_id, status, hold_minutes, attention, placed_at, updated_at,
    (
      SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
      FROM order_lines WHERE order_lines.position = orders.position
    ) AS lines
  FROM orders
  WHERE position < least(
      CAST(:below AS bigint),
      (
        SELECT o.position FROM orders AS o
        WHERE o.placed_at >= CAST(:placed_before AS timestamptz) + interval '10 seconds'
        ORDER BY o.placed_at LIMIT 1
      )
    )
    AND position > coalesce(
      (
        SELECT o.position FROM orders AS o
        WHERE o.placed_at <= CAST(:placed_after AS timestamptz) - interval '10 seconds'
        ORDER BY o.placed_at DESC LIMIT 1
      ),
      0
    )
    AND placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
    AND status = :status
  ORDER BY position DESC
  LIMIT CAST(:count AS bigint)
) AS row;
