-- A page of orders of one status, newest first, from the index on status. Those of an item, too,
-- where nobody has decided on them: pending orders are few. IS TRUE keeps the index on times out.
SELECT position, shown::text
FROM shown_orders
WHERE status = :status
  AND (CAST(:item AS text) IS NULL OR EXISTS (
    SELECT FROM order_lines WHERE order_lines.position = shown_orders.position AND item = :item
  ))
  AND position < least(
    CAST(:below AS bigint), position_after(CAST(:placed_before AS timestamptz))
  )
  AND position > position_before(CAST(:placed_after AS timestamptz))
  AND (
    placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
  ) IS TRUE
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
