-- Takes inventory changes that are unapplied for too long and puts off their next announcement,
-- as for orders.
WITH overdue AS (
  SELECT position FROM inventory_changes
  WHERE outcome IS NULL AND announce_at <= now()
  ORDER BY announce_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
UPDATE inventory_changes SET
  announcements = least(announcements + 1, 1000),
  announce_at = now() + least(10 * 2 ^ least(announcements, 10), 600) * interval '1 second'
FROM overdue
WHERE inventory_changes.position = overdue.position
RETURNING traceparent, json_build_object('item', item, 'change_id', change_id)::text;
