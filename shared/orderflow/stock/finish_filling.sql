-- Says whether a backorder of the item may still fit, and leaves the mark on the item just then. Of
-- those that one item blocks it is enough to look at the smallest.
UPDATE stock SET fill_due = EXISTS (
  SELECT FROM stock AS due CROSS JOIN LATERAL (
    SELECT blocked_quantity FROM backorders
    WHERE backorders.item = stock.item AND backorders.blocked_by = due.item
    ORDER BY blocked_quantity
    LIMIT 1
  ) AS smallest
  WHERE due.fill_due AND blocked_quantity <= due.on_hand - due.reserved
)
WHERE item = :item
RETURNING fill_due;
