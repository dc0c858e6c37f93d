-- A page of one caller's orders, newest first, from the index of those: they are few beside all, so
-- the other filters are compared one by one, and IS TRUE keeps the index on times out.
SELECT position, shown::text
FROM shown_orders
WHERE placed_by = :owner
  AND position < CAST(:below AS bigint)
  AND (
    placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
  ) IS TRUE
  AND (CAST(:attention AS text) IS NULL OR needs_a_person)
  AND (CAST(:status AS text) IS NULL OR (status = :status) IS TRUE)
  AND (CAST(:item AS text) IS NULL OR EXISTS (
    SELECT FROM order_lines WHERE order_lines.position = shown_orders.position AND item = :item
  ))
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
