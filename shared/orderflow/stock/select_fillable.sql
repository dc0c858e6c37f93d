-- Backorders of some items that fit into what is free now, each looked at alone, first come first.
-- Where few of an item fit, these are read through the index on quantity, however many that don't
-- fit stand before them; where many do, the queue is read from its front until there are enough.
WITH due AS MATERIALIZED (
  SELECT item, on_hand - reserved AS free FROM stock
  WHERE item = ANY(CAST(:items AS text[]))
),
few AS MATERIALIZED (
  SELECT due.item, fitting.position
  FROM due CROSS JOIN LATERAL (
    SELECT position FROM backorders
    WHERE backorders.item = due.item AND backorders.quantity <= due.free
    ORDER BY quantity
    LIMIT CAST(:few AS bigint)
  ) AS fitting
),
many AS MATERIALIZED (
  SELECT item FROM few GROUP BY item HAVING count(*) = CAST(:few AS bigint)
),
front AS (
  SELECT position FROM few WHERE item NOT IN (SELECT item FROM many)
  UNION
  SELECT first.position
  FROM due CROSS JOIN LATERAL (
    SELECT position FROM backorders
    WHERE backorders.item = due.item AND backorders.quantity <= due.free
      AND NOT EXISTS (
        SELECT FROM short_backorders WHERE short_backorders.position = backorders.position
      )
    ORDER BY position
    LIMIT CAST(:count AS bigint)
  ) AS first
  WHERE due.item IN (SELECT item FROM many)
)
SELECT order_id
FROM front JOIN orders USING (position)
WHERE NOT EXISTS (
  SELECT FROM short_backorders WHERE short_backorders.position = front.position
)
ORDER BY position
LIMIT CAST(:count AS bigint);
