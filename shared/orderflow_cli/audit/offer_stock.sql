-- Marks locked items of which an order waits that fits, so that sweep has them offered to it. Of
-- what was just mended it need not fit but for this item: another repair may free the others now.
UPDATE stock SET fill_due = true
WHERE item = ANY(CAST(:items AS text[]))
  AND NOT fill_due
  AND EXISTS (
    SELECT FROM backorders
    WHERE backorders.item = stock.item
      AND backorders.quantity <= stock.on_hand - stock.reserved
      AND (
        stock.item = ANY(CAST(:mended AS text[]))
        OR NOT EXISTS (
          SELECT FROM backorders AS other JOIN stock AS others ON others.item = other.item
          WHERE other.position = backorders.position
            AND other.quantity > others.on_hand - others.reserved
        )
      )
  )
RETURNING item;
