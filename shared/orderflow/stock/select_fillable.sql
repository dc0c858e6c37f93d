-- Backorders of some items that fit into what is free now, each looked at alone, first come
-- first. Each item's queue is read from its front, however long it is.
SELECT order_id
FROM orders
WHERE position IN (
  SELECT front.position
  FROM unnest(CAST(:items AS text[])) AS due (item)
  CROSS JOIN LATERAL (
    SELECT backorders.position
    FROM backorders JOIN stock ON stock.item = backorders.item
    WHERE backorders.item = due.item
      AND backorders.quantity <= stock.on_hand - stock.reserved
      AND NOT EXISTS (
        SELECT FROM backorders AS other JOIN stock AS others ON others.item = other.item
        WHERE other.position = backorders.position
          AND other.quantity > others.on_hand - others.reserved
      )
    ORDER BY backorders.position
    LIMIT CAST(:count AS bigint)
  ) AS front
)
ORDER BY position
LIMIT CAST(:count AS bigint);
