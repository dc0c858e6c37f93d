-- A page of orders of one status, newest first, from the index on status.
SELECT position, shown::text
FROM shown_orders
WHERE status = :status
  AND position < least(
    CAST(:below AS bigint), position_after(CAST(:placed_before AS timestamptz))
  )
  AND position > position_before(CAST(:placed_after AS timestamptz))
  AND placed_at < CAST(:placed_before AS timestamptz)
  AND placed_at > CAST(:placed_after AS timestamptz)
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
