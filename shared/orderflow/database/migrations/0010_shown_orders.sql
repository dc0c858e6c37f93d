-- What several statements say alike.

-- Why a person has to look at an order; that it can't be shipped comes before all else.
CREATE FUNCTION attention_of(attention text, short_of text[]) RETURNS text STABLE LANGUAGE sql
  RETURN CASE
    WHEN short_of IS NULL THEN attention
    ELSE format(
      'less is on hand than is reserved: %s; count or restock it, or cancel the order',
      array_to_string(short_of, ', ')
    )
  END;

CREATE VIEW shown_orders AS
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
    ) AS shown
  FROM orders;
COMMENT ON VIEW shown_orders IS
  'Orders as lists show them, and what lists choose by. Each list adds what its index serves.';

-- Times as positions, so that a list of a time reads no other orders: an order's position is drawn
-- at most ten seconds (the statement limit) after its time is taken.
CREATE FUNCTION position_before(instant timestamptz) RETURNS bigint STABLE LANGUAGE sql
  RETURN coalesce((
    SELECT position FROM orders
    WHERE placed_at <= instant - interval '10 seconds' ORDER BY placed_at DESC LIMIT 1
  ), 0);
CREATE FUNCTION position_after(instant timestamptz) RETURNS bigint STABLE LANGUAGE sql
  RETURN (
    SELECT position FROM orders
    WHERE placed_at >= instant + interval '10 seconds' ORDER BY placed_at LIMIT 1
  );

-- The columns of the outbox that an event fills, from a JSON array of events. In FROM it becomes
-- part of the statement, as a view does.
CREATE FUNCTION outbox_rows(events jsonb) RETURNS TABLE (
  id uuid, aggregatetype text, aggregateid text, type text, payload json, sequence integer,
  source text, traceparent text, at timestamptz
) STABLE LANGUAGE sql AS $$
  SELECT
    id, aggregatetype, aggregateid, type, payload::json, sequence, source, traceparent, at
  FROM jsonb_to_recordset(events) AS event (
    id uuid, aggregatetype text, aggregateid text, type text, payload text, sequence integer,
    source text, traceparent text, at timestamptz
  )
$$;
