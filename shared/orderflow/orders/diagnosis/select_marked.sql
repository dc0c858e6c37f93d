-- What a person has to look at and another announcement may move, the oldest first.
SELECT 'order' AS kind, order_id AS id FROM (
  SELECT order_id FROM orders
  WHERE attention IS NOT NULL AND status = 'pending'
  ORDER BY position
  LIMIT CAST(:count AS bigint)
) AS marked_orders
UNION ALL
SELECT 'change', change_id FROM (
  SELECT change_id FROM inventory_changes
  WHERE outcome IS NULL AND attention IS NOT NULL
  ORDER BY item, position
  LIMIT CAST(:count AS bigint)
) AS marked_changes;
