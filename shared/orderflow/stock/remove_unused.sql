-- Removes locked rows of items that never had stock and that nobody waits for. A row with stock or
-- a past stays and is not looked at again; one that is only waited for, later. A refused change
-- keeps the row as well, as it is shown with the item.
WITH looked_at AS MATERIALIZED (
  SELECT
    item,
    on_hand > 0 OR reserved > 0 OR counted_at IS NOT NULL OR threshold IS NOT NULL
      OR EXISTS (SELECT FROM stock_ledger WHERE stock_ledger.item = stock.item) AS stays,
    EXISTS (SELECT FROM backorders WHERE backorders.item = stock.item)
      OR EXISTS (
        SELECT FROM inventory_changes
        WHERE inventory_changes.item = stock.item AND outcome IS NULL
      )
      OR EXISTS (
        SELECT FROM inventory_changes
        WHERE inventory_changes.item = stock.item AND outcome = 'refused'
      ) AS waits
  FROM stock
  WHERE item = ANY(CAST(:items AS text[]))
),
put_off AS (
  UPDATE stock SET review_at = CASE WHEN NOT stays THEN now() + interval '1 hour' END
  FROM looked_at
  WHERE stock.item = looked_at.item AND (stays OR waits)
)
DELETE FROM stock
USING looked_at
WHERE stock.item = looked_at.item AND NOT stays AND NOT waits
RETURNING stock.item;
