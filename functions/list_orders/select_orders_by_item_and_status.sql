-- A page of orders that have an item and a status, newest first, from the index on both: however
-- few they are among the orders of the item or of the status.
SELECT position, shown::text
FROM item_orders AS wanted JOIN shown_orders USING (position)
WHERE wanted.item = :item
  AND wanted.status = :status
  AND wanted.position < least(
    CAST(:below AS bigint), position_after(CAST(:placed_before AS timestamptz))
  )
  AND wanted.position > position_before(CAST(:placed_after AS timestamptz))
  AND placed_at < CAST(:placed_before AS timestamptz)
  AND placed_at > CAST(:placed_after AS timestamptz)
ORDER BY wanted.position DESC
LIMIT CAST(:count AS bigint);
