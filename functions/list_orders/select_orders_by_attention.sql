-- A page of orders that a person has to look at (of a status or an item, where given), newest
-- first, from the index of those. They are few, so the times are compared one by one: IS TRUE keeps
-- the index on times out.
SELECT position, shown::text
FROM shown_orders
WHERE needs_a_person
  AND position < CAST(:below AS bigint)
  AND (
    placed_at < CAST(:placed_before AS timestamptz)
    AND placed_at > CAST(:placed_after AS timestamptz)
  ) IS TRUE
  AND (CAST(:status AS text) IS NULL OR status = :status)
  AND (CAST(:item AS text) IS NULL OR EXISTS (
    SELECT FROM order_lines WHERE order_lines.position = shown_orders.position AND item = :item
  ))
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
