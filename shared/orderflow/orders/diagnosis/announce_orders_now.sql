-- Has pending orders announced again at the next tick, as if for the first time. Locked in order
-- of position, as everywhere.
WITH asked AS (
  SELECT position FROM orders
  WHERE status = 'pending'
    AND order_id = ANY(CAST(:order_ids AS text[]))
  ORDER BY position
  FOR UPDATE
)
UPDATE orders SET announcements = 1, due_at = now(), attention = NULL
FROM asked
WHERE orders.position = asked.position
RETURNING order_id;
