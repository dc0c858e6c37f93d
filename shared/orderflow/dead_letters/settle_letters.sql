-- Settles letters whose event failed for a passing reason and whose work was done meanwhile,
-- because it was announced again: the order is decided, or what was told of the item is applied.
-- The limit is on those that can be settled: others, however many, hide none of them.
WITH done AS MATERIALIZED (
  (
    SELECT position FROM dead_letters
    WHERE type = 'orderflow.order.placed.v1' AND state = 'kept' AND transient
      AND consumer = 'process-order'
      AND (
        (SELECT status FROM orders WHERE order_id = dead_letters.order_id) <> 'pending'
        OR EXISTS (SELECT FROM archived_orders WHERE order_id = dead_letters.order_id)
      )
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
  UNION ALL
  (
    SELECT position FROM dead_letters
    WHERE type = 'orderflow.inventory.changed.v1' AND state = 'kept' AND transient
      AND consumer = 'apply-inventory'
      AND (SELECT NOT fill_due FROM stock WHERE item = dead_letters.item)
      AND NOT EXISTS (
        SELECT FROM inventory_changes
        WHERE inventory_changes.item = dead_letters.item AND outcome IS NULL
      )
    ORDER BY last_failed_at DESC, position DESC
    LIMIT CAST(:count AS bigint)
  )
)
UPDATE dead_letters SET state = 'settled'
FROM done
WHERE dead_letters.position = done.position AND state = 'kept';
