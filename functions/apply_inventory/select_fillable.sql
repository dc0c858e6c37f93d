-- Backorders of an item that fit into what is free now, each looked at alone, first come first.
SELECT order_id
FROM backorders JOIN orders ON orders.position = backorders.position
WHERE backorders.item = :item
  AND backorders.quantity <= (SELECT on_hand - reserved FROM stock WHERE stock.item = :item)
  AND NOT EXISTS (
    SELECT FROM backorders AS other JOIN stock ON stock.item = other.item
    WHERE other.position = backorders.position
      AND other.quantity > stock.on_hand - stock.reserved
  )
ORDER BY backorders.position
LIMIT CAST(:count AS bigint);
