-- A page of orders that have an item (and a status, where given), newest first, from the index of
-- lines. The times become positions as in select_orders.sql.
SELECT position, to_json(row)::text FROM (
  SELECT
    position, order_id, status, hold_minutes, attention, placed_at, updated_at,
    (
      SELECT json_agg(json_build_object('item', l.item, 'quantity', l.quantity) ORDER BY l.line)
      FROM order_lines AS l WHERE l.position = orders.position
    ) AS lines
  FROM order_lines AS wanted JOIN orders USING (position)
  WHERE wanted.item = :item
    -- An order that has the item in several lines counts by its first.
    AND NOT EXISTS (
      SELECT FROM order_lines AS earlier
      WHERE earlier.position = wanted.position
        AND earlier.item = wanted.item AND earlier.line < wanted.line
    )
    AND wanted.position < least(
      CAST(:below AS bigint),
      (
        SELECT o.position FROM orders AS o
        WHERE o.placed_at >= CAST(:placed_before AS timestamptz) + interval '10 seconds'
        ORDER BY o.placed_at LIMIT 1
      )
    )
    AND wanted.position > coalesce(
      (
        SELECT o.position FROM orders AS o
        WHERE o.placed_at <= CAST(:placed_after AS timestamptz) - interval '10 seconds'
        ORDER BY o.placed_at DESC LIMIT 1
      ),
      0
    )
    AND placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
    AND (CAST(:status AS text) IS NULL OR status = :status)
  ORDER BY wanted.position DESC
  LIMIT CAST(:count AS bigint)
) AS row;
