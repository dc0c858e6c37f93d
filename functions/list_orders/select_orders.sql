-- A page of orders, newest first, by their position.
SELECT position, shown::text
FROM shown_orders
WHERE position < least(
    CAST(:below AS bigint), position_after(CAST(:placed_before AS timestamptz))
  )
  AND position > position_before(CAST(:placed_after AS timestamptz))
  AND placed_at < CAST(:placed_before AS timestamptz)
  AND placed_at > CAST(:placed_after AS timestamptz)
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
