-- Marks locked items of which an order waits that fits, so that sweep has them offered to it. Of
-- what was just repaired it need not fit but for this item: another repair may free the others now.
UPDATE stock SET fill_due = true
WHERE item = ANY(CAST(:items AS text[]))
  AND NOT fill_due
  AND EXISTS (
    SELECT FROM backorders
    WHERE backorders.item = stock.item
      AND backorders.quantity <= stock.on_hand - stock.reserved
      AND (
        stock.item = ANY(CAST(:repaired AS text[]))
        OR NOT EXISTS (
          SELECT FROM short_backorders WHERE short_backorders.position = backorders.position
        )
      )
  )
RETURNING item;
