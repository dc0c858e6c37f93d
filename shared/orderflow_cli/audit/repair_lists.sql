-- Makes what lists by item and status show of an order what the order says, of a bounded number of
-- orders. An order is locked as it is now, not as it was found: whoever moves it meanwhile has
-- written its rows, and who moves it later waits.
WITH wanted AS (
  SELECT DISTINCT item, status, position
  FROM orders JOIN order_lines USING (position)
  WHERE status <> 'pending'
),
difference AS MATERIALIZED (
  SELECT DISTINCT position
  FROM wanted FULL JOIN item_orders USING (item, status, position)
  WHERE wanted.item IS NULL OR item_orders.item IS NULL
  ORDER BY position
  LIMIT CAST(:count AS bigint)
),
locked AS MATERIALIZED (
  SELECT position, order_id, status
  FROM orders
  WHERE position IN (SELECT position FROM difference)
  ORDER BY position
  FOR UPDATE
),
due AS MATERIALIZED (
  SELECT DISTINCT item, status, position
  FROM locked JOIN order_lines USING (position)
  WHERE status <> 'pending'
),
removed AS (
  DELETE FROM item_orders
  WHERE position IN (SELECT position FROM difference)
    AND (item, status, position) NOT IN (SELECT item, status, position FROM due)
  RETURNING item, status, position
),
added AS (
  INSERT INTO item_orders (item, status, position)
  SELECT item, status, position FROM due
  ON CONFLICT DO NOTHING
  RETURNING item, status, position
)
SELECT order_id, item, removed.status, added.status
FROM removed FULL JOIN added USING (item, position) LEFT JOIN locked USING (position)
ORDER BY position, item, removed.status;
