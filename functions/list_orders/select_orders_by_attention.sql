-- A page of orders that a person has to look at (of a status or an item, where given), newest
-- first, from the index of those. They are few, so the times are compared one by one.
SELECT position, to_json(row)::text FROM (
  SELECT
    position, order_id, status, hold_minutes, attention, placed_at, updated_at,
    (
      SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
      FROM order_lines WHERE order_lines.position = orders.position
    ) AS lines
  FROM orders
  WHERE attention IS NOT NULL
    AND position < CAST(:below AS bigint)
    AND placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
    AND (CAST(:status AS text) IS NULL OR status = :status)
    AND (CAST(:item AS text) IS NULL OR EXISTS (
      SELECT FROM order_lines WHERE order_lines.position = orders.position AND item = :item
    ))
  ORDER BY position DESC
  LIMIT CAST(:count AS bigint)
) AS row;
