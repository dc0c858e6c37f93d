-- Stores every order that is new, with lines, history and event, in one statement and so in one
-- transaction. Positions are drawn in order of arrival; rows are inserted in order of id, so that
-- two processes that get the same orders wait for each other instead of deadlocking. Who is still
-- pending after 3 s is announced again: at full load it takes less than one. Where a backlog lasts
-- longer, sweep announces a bounded number at a time, and each the later the more often it did.
-- What is in an archive is not new.
-- Answers the numbers of the new ones as one value: rows take the driver longer than the database.
WITH arrived AS (
  SELECT * FROM jsonb_to_recordset(CAST(:orders AS jsonb)) AS arrival (
    number integer, order_id text, idempotency_key text, fingerprint text, on_shortage text,
    hold_minutes integer, placed_by text, lines jsonb, event jsonb
  )
  ORDER BY number
),
numbered AS MATERIALIZED (
  SELECT nextval('orders_position_seq') AS position, * FROM arrived
),
placed AS (
  INSERT INTO orders (
    position, order_id, idempotency_key, fingerprint, on_shortage, hold_minutes, placed_by,
    traceparent, due_at
  )
  SELECT
    position, order_id, idempotency_key, fingerprint, on_shortage, hold_minutes, placed_by,
    event ->> 'traceparent', now() + interval '3 seconds'
  FROM numbered
  WHERE NOT EXISTS (
    SELECT FROM archived_orders WHERE archived_orders.order_id = numbered.order_id
  ) AND NOT EXISTS (
    SELECT FROM archived_orders
    WHERE archived_orders.idempotency_key = numbered.idempotency_key
      AND archived_orders.placed_by = numbered.placed_by
  )
  ORDER BY order_id, number
  ON CONFLICT DO NOTHING
  RETURNING position
),
new AS MATERIALIZED (
  SELECT numbered.* FROM placed JOIN numbered USING (position)
),
lines AS (
  INSERT INTO order_lines (position, line, item, quantity)
  SELECT new.position, line.number, line.value ->> 'item', (line.value ->> 'quantity')::integer
  FROM new, jsonb_array_elements(new.lines) WITH ORDINALITY AS line (value, number)
),
history AS (
  INSERT INTO order_history (position, sequence, status, cause, asked_by)
  SELECT position, 1, 'pending', 'order received', placed_by FROM new
),
events AS (
  INSERT INTO outbox
  SELECT stored.* FROM new, outbox_rows(jsonb_build_array(new.event)) AS stored
)
SELECT coalesce(json_agg(number ORDER BY number), '[]')::text FROM new;
