-- The state of the whole at a glance; orders by the counters, of which an audit says if they are
-- right.
SELECT json_build_object(
  'orders', (
    SELECT coalesce(json_object_agg(status, n), '{}')
    FROM counted_orders
    WHERE n <> 0
  ),
  'oldest_open_order', (
    SELECT json_build_object('order_id', order_id, 'status', status, 'placed_at', placed_at)
    FROM orders WHERE status IN ('pending', 'backordered') ORDER BY position LIMIT 1
  ),
  'attention', json_build_object(
    'orders', (
      SELECT count(*) FROM orders WHERE attention IS NOT NULL OR short_of IS NOT NULL
    ),
    'inventory_changes', (
      SELECT count(*) FROM inventory_changes WHERE outcome IS NULL AND attention IS NOT NULL
    )
  ),
  'outbox_backlog', (SELECT count(*) FROM outbox),
  'inventory_changes_unapplied', (
    SELECT count(*) FROM inventory_changes WHERE outcome IS NULL
  ),
  'dead_letters', (
    SELECT coalesce(json_object_agg(state, n), '{}')
    FROM (SELECT state, count(*) AS n FROM dead_letters GROUP BY state) AS by_state
  )
)::text;
