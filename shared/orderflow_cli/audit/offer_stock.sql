-- Marks locked items of which there is enough for an order that is blocked by them, or that was
-- just repaired, so that sweep has them offered to it.
UPDATE stock SET fill_due = true
WHERE item = ANY(CAST(:items AS text[]))
  AND NOT fill_due
  AND EXISTS (
    SELECT FROM backorders
    WHERE backorders.item = stock.item
      AND backorders.quantity <= stock.on_hand - stock.reserved
      AND (stock.item = ANY(CAST(:repaired AS text[])) OR backorders.blocked_by = stock.item)
  )
RETURNING item;
