-- Says whether a backorder of the item still fits, and leaves the mark on the item just then.
UPDATE stock SET fill_due = EXISTS (
  SELECT FROM backorders
  WHERE backorders.item = stock.item
    AND backorders.quantity <= stock.on_hand - stock.reserved
    AND NOT EXISTS (
      SELECT FROM backorders AS other JOIN stock AS others ON others.item = other.item
      WHERE other.position = backorders.position
        AND other.quantity > others.on_hand - others.reserved
    )
)
WHERE item = :item
RETURNING fill_due;
