-- Backorders of some items that may fit now, first come first: all that do are blocked by an item
-- that is to be offered. Where few are, these are read through the index on quantity, however many
-- that don't fit stand before them; where many are, the queue is read from its front.
WITH queue AS MATERIALIZED (
  SELECT wanted.item, due.item AS blocked_by, due.on_hand - due.reserved AS free
  FROM unnest(CAST(:items AS text[])) AS wanted (item)
  CROSS JOIN stock AS due
  WHERE due.fill_due
),
few AS MATERIALIZED (
  SELECT queue.item, queue.blocked_by, fitting.position
  FROM queue CROSS JOIN LATERAL (
    SELECT position FROM backorders
    WHERE backorders.item = queue.item AND backorders.blocked_by = queue.blocked_by
      AND blocked_quantity <= queue.free
    ORDER BY blocked_quantity
    LIMIT CAST(:few AS bigint)
  ) AS fitting
),
many AS MATERIALIZED (
  SELECT item, blocked_by FROM few GROUP BY item, blocked_by
  HAVING count(*) = CAST(:few AS bigint)
),
front AS (
  SELECT position FROM few WHERE (item, blocked_by) NOT IN (SELECT item, blocked_by FROM many)
  UNION
  SELECT first.position
  FROM queue JOIN many USING (item, blocked_by) CROSS JOIN LATERAL (
    SELECT position FROM backorders
    WHERE backorders.item = queue.item AND backorders.blocked_by = queue.blocked_by
      AND blocked_quantity <= queue.free
    ORDER BY position
    LIMIT CAST(:count AS bigint)
  ) AS first
)
SELECT order_id
FROM front JOIN orders USING (position)
ORDER BY position
LIMIT CAST(:count AS bigint);
