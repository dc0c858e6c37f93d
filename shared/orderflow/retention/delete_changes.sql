-- Forgets inventory changes that moved no stock. Those that did are what stock is proved by.
WITH old AS (
  SELECT position FROM inventory_changes
  WHERE outcome IN ('superseded', 'refused')
    AND applied_at < now() - CAST(:days AS integer) * interval '1 day'
  ORDER BY applied_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
DELETE FROM inventory_changes
USING old
WHERE inventory_changes.position = old.position
RETURNING old.position;
