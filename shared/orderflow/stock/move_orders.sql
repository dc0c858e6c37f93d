-- Moves orders from one status to another with all that belongs to the move, in one statement:
-- stock, its ledger, the queue of backorders, history and outgoing events. A move whose order is
-- not in the status that it leaves does nothing and is missing from the count that is the answer.
WITH move AS (
  SELECT * FROM jsonb_to_recordset(CAST(:moves AS jsonb)) AS move (
    position bigint, leaves text, enters text, cause text, asked_by text, blocked_by text,
    blocked_quantity bigint, events jsonb
  )
),
moved AS (
  UPDATE orders SET
    status = enters,
    sequence = sequence + 1,
    updated_at = now(),
    attention = NULL,
    short_of = NULL,
    due_at = CASE enters
      WHEN 'confirmed' THEN now() + coalesce(hold_minutes, 30 * 24 * 60) * interval '1 minute'
      WHEN 'backordered' THEN now() + interval '30 days'
      ELSE due_at
    END
  FROM move
  WHERE orders.position = move.position AND orders.status = move.leaves
  RETURNING
    orders.position, orders.sequence, leaves, enters, cause, asked_by, blocked_by,
    blocked_quantity, events
),
-- What a move does to stock, in units of on hand and reserved for each unit ordered.
effect (leaves, enters, kind, on_hand, reserved) AS (
  VALUES
    ('pending', 'confirmed', 'reserve', 0, 1),
    ('backordered', 'confirmed', 'reserve', 0, 1),
    ('confirmed', 'cancelled', 'release', 0, -1),
    ('confirmed', 'shipped', 'ship', -1, -1)
),
needed AS MATERIALIZED (
  SELECT moved.position, leaves, enters, item, sum(quantity) AS quantity
  FROM moved JOIN order_lines ON order_lines.position = moved.position
  GROUP BY moved.position, leaves, enters, item
),
movement AS MATERIALIZED (
  SELECT position, item, kind, quantity * on_hand AS on_hand, quantity * reserved AS reserved
  FROM needed JOIN effect USING (leaves, enters)
),
ledger AS (
  INSERT INTO stock_ledger (
    item, kind, on_hand_change, reserved_change, order_position, occurred_at
  )
  SELECT item, kind, on_hand, reserved, position, now() FROM movement
),
counted AS (
  UPDATE stock SET
    on_hand = stock.on_hand + total.on_hand,
    reserved = stock.reserved + total.reserved,
    fill_due = fill_due OR (
      total.reserved < total.on_hand
      AND EXISTS (SELECT FROM backorders WHERE backorders.item = stock.item)
    )
  FROM (
    SELECT item, sum(on_hand) AS on_hand, sum(reserved) AS reserved FROM movement GROUP BY item
  ) AS total
  WHERE stock.item = total.item
),
queued AS (
  INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
  SELECT item, position, quantity, blocked_by, blocked_quantity
  FROM needed JOIN moved USING (position)
  WHERE moved.enters = 'backordered'
),
unqueued AS (
  DELETE FROM backorders USING moved
  WHERE backorders.position = moved.position AND moved.leaves = 'backordered'
),
history AS (
  INSERT INTO order_history (position, sequence, status, cause, asked_by)
  SELECT position, sequence, enters, cause, asked_by FROM moved
),
events AS (
  INSERT INTO outbox SELECT event.* FROM moved, outbox_rows(moved.events) AS event
)
SELECT count(*)::text FROM moved;
