-- A page of items by name.
SELECT
  item, on_hand, reserved, greatest(on_hand - reserved, 0) AS available,
  greatest(reserved - on_hand, 0) AS short, threshold
FROM stock
WHERE item > :after
ORDER BY item
LIMIT CAST(:count AS bigint);
