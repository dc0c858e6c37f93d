-- Locks the items' stock, in order of item, and says of each whether somebody waits for it.
WITH locked AS MATERIALIZED (
  SELECT item, on_hand, counted_at, fill_due FROM stock
  WHERE item IN (SELECT jsonb_array_elements_text(CAST(:items AS jsonb)))
  ORDER BY item
  FOR UPDATE
)
SELECT
  item, on_hand, counted_at,
  fill_due OR EXISTS (SELECT FROM backorders WHERE backorders.item = locked.item) AS awaited
FROM locked;
