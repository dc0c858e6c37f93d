-- One order with its history and, where it waits for stock, what of which item is lacking.
SELECT to_json(row)::text FROM (
  SELECT
    order_id, status, on_shortage, placed_at, updated_at,
    (
      SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
      FROM order_lines WHERE order_lines.position = orders.position
    ) AS lines,
    (
      SELECT json_agg(
        json_build_object('sequence', sequence, 'status', status, 'cause', cause, 'at', at)
        ORDER BY sequence
      )
      FROM order_history WHERE order_history.position = orders.position
    ) AS history,
    (
      SELECT json_agg(
        json_build_object(
          'item', item, 'needs', quantity, 'available', greatest(on_hand - reserved, 0),
          'ahead', (
            SELECT count(*) FROM backorders AS ahead
            WHERE ahead.item = backorders.item AND ahead.position < backorders.position
          )
        ) ORDER BY item
      )
      FROM backorders JOIN stock USING (item) WHERE backorders.position = orders.position
    ) AS waits_for
  FROM orders
  WHERE order_id = :order_id
) AS row;
