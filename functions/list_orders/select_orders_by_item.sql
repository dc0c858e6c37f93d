-- A page of orders that have an item, newest first, from the index of lines.
SELECT position, shown::text
FROM order_lines AS wanted JOIN shown_orders USING (position)
WHERE wanted.item = :item
  -- An order that has the item in several lines counts by its first.
  AND NOT EXISTS (
    SELECT FROM order_lines AS earlier
    WHERE earlier.position = wanted.position
      AND earlier.item = wanted.item AND earlier.line < wanted.line
  )
  AND wanted.position < least(
    CAST(:below AS bigint), position_after(CAST(:placed_before AS timestamptz))
  )
  AND wanted.position > position_before(CAST(:placed_after AS timestamptz))
  AND placed_at < CAST(:placed_before AS timestamptz)
  AND placed_at > CAST(:placed_after AS timestamptz)
ORDER BY wanted.position DESC
LIMIT CAST(:count AS bigint);
