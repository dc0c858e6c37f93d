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
  announcements = announcements + 1,
  announce_at = CASE
    WHEN announcements + 1 >= CAST(:last AS integer) THEN 'infinity'
    ELSE now() + interval '1 second'
      * least(10 * 2 ^ least(announcements, 20), CAST(:longest_pause_s AS integer))
  END,
  attention = CASE
    WHEN announcements + 1 >= CAST(:last AS integer) THEN
      format(
        'not applied after %s announcements, so it is not announced again', announcements + 1
      )
    WHEN announcements >= CAST(:without_effect AS integer) THEN
      format('not applied after %s announcements', announcements)
  END
FROM overdue
WHERE inventory_changes.position = overdue.position
RETURNING item, change_id, traceparent;
