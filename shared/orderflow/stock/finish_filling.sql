-- Says whether a backorder of the item still fits, and leaves the mark on the item just then.
UPDATE stock SET fill_due = EXISTS (
  SELECT FROM backorders
  WHERE backorders.item = stock.item
    AND backorders.quantity <= stock.on_hand - stock.reserved
    AND NOT EXISTS (
      SELECT FROM short_backorders WHERE short_backorders.position = backorders.position
    )
)
WHERE item = :item
RETURNING fill_due;
