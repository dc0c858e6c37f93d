-- Settles letters whose event failed for a passing reason and whose work was done meanwhile,
-- because it was announced again: the order is decided, or what was told of the item is applied.
WITH failed AS MATERIALIZED (
  (
    SELECT position, order_id, NULL AS item FROM dead_letters
    WHERE type = 'orderflow.order.placed.v1' AND state = 'kept'
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position, NULL AS order_id, item FROM dead_letters
    WHERE type = 'orderflow.inventory.changed.v1' AND state = 'kept'
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
)
UPDATE dead_letters SET state = 'settled'
FROM failed
WHERE dead_letters.position = failed.position AND state = 'kept'
  -- Without an answer, one that says later, or tried too often. What is wrong in itself is for a
  -- person to see.
  AND (
    error_code IS NULL OR error_code >= 500 OR error_code IN (404, 408, 409, 429)
    OR error_type = 'given-up'
  )
  AND (
    EXISTS (SELECT FROM orders WHERE order_id = failed.order_id AND status <> 'pending')
    OR EXISTS (SELECT FROM stock WHERE item = failed.item AND NOT fill_due)
    AND NOT EXISTS (
      SELECT FROM inventory_changes
      WHERE inventory_changes.item = failed.item AND outcome IS NULL
    )
  );
