-- What became of the orders, and how long it took from the acceptance of each to its outcome.
WITH decided AS (
  SELECT placed_at, min(at) AS at
  FROM orders JOIN order_history USING (position)
  WHERE order_history.sequence = 2
  GROUP BY orders.position, placed_at
)
SELECT json_build_object(
  'pending', (SELECT count(*) FROM orders WHERE status = 'pending'),
  'confirmed', (SELECT count(*) FROM orders WHERE status = 'confirmed'),
  'backordered', (SELECT count(*) FROM orders WHERE status = 'backordered'),
  'rejected', (SELECT count(*) FROM orders WHERE status = 'rejected'),
  'unapplied', (SELECT count(*) FROM inventory_changes WHERE outcome IS NULL),
  'allocated', (SELECT count(*) FROM decided),
  'allocated_in_s', (SELECT extract(epoch FROM max(at) - min(placed_at)) FROM decided),
  'settled_after_s', (SELECT extract(epoch FROM max(at) - max(placed_at)) FROM decided),
  'latencies_ms', (
    SELECT json_agg(extract(epoch FROM at - placed_at) * 1000) FROM decided
  )
)::text;
