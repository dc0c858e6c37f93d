-- Has unapplied inventory changes announced again at the next tick, as if for the first time.
WITH asked AS (
  SELECT position FROM inventory_changes
  WHERE outcome IS NULL
    AND change_id = ANY(CAST(:change_ids AS text[]))
  ORDER BY position
  FOR UPDATE
)
UPDATE inventory_changes SET announcements = 1, announce_at = now(), attention = NULL
FROM asked
WHERE inventory_changes.position = asked.position
RETURNING item, change_id;
