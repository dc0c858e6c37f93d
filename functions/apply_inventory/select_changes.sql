-- The items' changes not yet applied, in the order in which they came, each with the sum of the
-- movements on record after its time. A statement of its own: it must see what was committed
-- while the one before waited for the lock.
SELECT
  item, position, stock, adjust, occurred_at,
  (
    SELECT coalesce(sum(on_hand_change), 0)::bigint FROM stock_ledger
    WHERE stock_ledger.item = inventory_changes.item
      AND kind IN ('adjust', 'ship')
      AND stock_ledger.occurred_at > inventory_changes.occurred_at
  ) AS moved_since
FROM inventory_changes
WHERE outcome IS NULL AND item = ANY(CAST(:items AS text[]))
ORDER BY item, position;
