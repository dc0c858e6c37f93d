-- What waits, and what waits for a person, each counted through its index up to a limit; and when
-- sweep was there last.
SELECT json_build_object(
  'oldest_pending', (
    SELECT json_build_object(
      'order_id', order_id, 'placed_at', placed_at, 'age_s', age_s(placed_at)
    )
    FROM orders WHERE status = 'pending' ORDER BY position LIMIT 1
  ),
  'outbox', (
    SELECT json_build_object(
      'waiting', count(*), 'oldest_s', CASE WHEN count(*) > 0 THEN age_s(min(at)) END
    ) FROM (
      SELECT at FROM outbox ORDER BY relay_at LIMIT CAST(:most AS bigint)
    ) AS waiting
  ),
  'attention', json_build_object(
    'orders', (
      SELECT count(*) FROM (
        SELECT FROM orders WHERE attention IS NOT NULL OR short_of IS NOT NULL
        ORDER BY position LIMIT CAST(:most AS bigint)
      ) AS asked
    ),
    'inventory_changes', (
      SELECT count(*) FROM (
        SELECT FROM inventory_changes WHERE outcome IS NULL AND attention IS NOT NULL
        ORDER BY position LIMIT CAST(:most AS bigint)
      ) AS asked
    ),
    'refused_changes', (
      SELECT count(*) FROM (
        SELECT FROM inventory_changes
        WHERE outcome = 'refused'
          AND applied_at > now() - CAST(:days AS integer) * interval '1 day'
        ORDER BY applied_at LIMIT CAST(:most AS bigint)
      ) AS refused
    )
  ),
  'dead_letters', json_build_object(
    'kept', (
      SELECT count(*) FROM (
        SELECT FROM dead_letters WHERE state = 'kept'
        ORDER BY last_failed_at LIMIT CAST(:most AS bigint)
      ) AS kept
    ),
    'redriving', (
      SELECT count(*) FROM (
        SELECT FROM dead_letters WHERE state = 'redriving'
        ORDER BY last_failed_at LIMIT CAST(:most AS bigint)
      ) AS redriving
    )
  ),
  'last_sweep', (SELECT json_build_object('at', at, 'age_s', age_s(at)) FROM last_sweep WHERE id)
)::text;
