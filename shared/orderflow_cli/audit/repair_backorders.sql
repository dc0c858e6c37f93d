-- Makes the queue of locked items what the lines of the backordered orders say; at most a bounded
-- number of rows.
WITH wanted AS MATERIALIZED (
  SELECT unnest(CAST(:items AS text[])) AS item
),
needed AS (
  SELECT position, item, sum(quantity)::bigint AS quantity
  FROM orders JOIN order_lines USING (position)
  WHERE status = 'backordered' AND item IN (SELECT item FROM wanted)
  GROUP BY position, item
),
queue AS (
  SELECT position, item, quantity FROM backorders WHERE item IN (SELECT item FROM wanted)
),
difference AS MATERIALIZED (
  SELECT position, item, needed.quantity AS ordered, queue.quantity AS queued
  FROM needed FULL JOIN queue USING (position, item)
  WHERE needed.quantity IS DISTINCT FROM queue.quantity
  ORDER BY position, item
  LIMIT CAST(:count AS bigint)
),
removed AS (
  DELETE FROM backorders USING difference
  WHERE backorders.position = difference.position AND backorders.item = difference.item
    AND ordered IS NULL
),
changed AS (
  UPDATE backorders SET
    quantity = ordered, blocked_by = difference.item, blocked_quantity = ordered
  FROM difference
  WHERE backorders.position = difference.position AND backorders.item = difference.item
    AND ordered IS NOT NULL
),
added AS (
  INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
  SELECT item, position, ordered, item, ordered FROM difference WHERE queued IS NULL
)
SELECT order_id, item, queued, ordered
FROM difference JOIN orders USING (position)
ORDER BY position, item;
