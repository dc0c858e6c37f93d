-- Callers see their own orders.

-- GET /orders of a caller who sees no others.
CREATE INDEX orders_by_owner ON orders (placed_by, position);

CREATE OR REPLACE VIEW shown_orders AS
  SELECT
    position, status, placed_at,
    attention IS NOT NULL OR short_of IS NOT NULL AS needs_a_person,
    json_build_object(
      'order_id', order_id,
      'status', status,
      'hold_minutes', hold_minutes,
      'attention', attention_of(attention, short_of),
      'placed_at', placed_at,
      'updated_at', updated_at,
      'lines', (
        SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
        FROM order_lines WHERE order_lines.position = orders.position
      )
    ) AS shown,
    placed_by
  FROM orders;
