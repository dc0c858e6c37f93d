-- What was accepted up to an order and still waits: orders without an outcome, changes unapplied.
WITH until AS (
  SELECT position, placed_at FROM orders WHERE order_id = :order_id
)
SELECT order_id FROM orders
WHERE status = 'pending' AND position <= (SELECT position FROM until)
UNION ALL
SELECT change_id FROM inventory_changes
WHERE outcome IS NULL AND received_at <= (SELECT placed_at FROM until);
