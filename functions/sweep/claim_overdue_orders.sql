-- Takes orders that are pending for too long and puts off their next announcement: 20 s, then
-- twice as long each time, up to a longest pause. What some announcements have not moved is marked
-- for a person; after the last of them nobody announces it again but that person.
WITH overdue AS (
  SELECT position FROM orders
  WHERE status = 'pending' AND due_at <= now()
  ORDER BY due_at
  LIMIT CAST(:count AS bigint)
  FOR UPDATE SKIP LOCKED
)
UPDATE orders SET
  announcements = announcements + 1,
  due_at = CASE
    WHEN announcements + 1 >= CAST(:last AS integer) THEN 'infinity'
    -- 2 ^ 20 is far above any pause, and far from where the power overflows.
    ELSE now() + interval '1 second'
      * least(10 * 2 ^ least(announcements, 20), CAST(:longest_pause_s AS integer))
  END,
  attention = CASE
    WHEN announcements + 1 >= CAST(:last AS integer) THEN
      format(
        'still pending after %s announcements, so it is not announced again', announcements + 1
      )
    WHEN announcements >= CAST(:without_effect AS integer) THEN
      format('still pending after %s announcements', announcements)
  END
FROM overdue
WHERE orders.position = overdue.position
RETURNING order_id, (
  SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)::text
  FROM order_lines WHERE order_lines.position = orders.position
), on_shortage, traceparent;
