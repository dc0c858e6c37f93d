-- Asks a person to look at orders that nobody but a person can move and whose time is over. Sweep
-- has nothing more to do with them, so their next look is never; their next move sets it again.
WITH overdue AS (
  SELECT position FROM orders
  WHERE (status = 'backordered' OR status = 'confirmed' AND hold_minutes IS NULL)
    AND due_at <= now()
  ORDER BY due_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
UPDATE orders SET
  due_at = 'infinity',
  attention = CASE status
    WHEN 'backordered' THEN 'waits for stock for a month: restock what it waits for, or cancel it'
    ELSE 'holds its stock for a month: ship it, or cancel it'
  END
FROM overdue
WHERE orders.position = overdue.position
RETURNING order_id;
