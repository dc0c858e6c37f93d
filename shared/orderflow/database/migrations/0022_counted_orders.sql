-- What several statements say alike: how many orders were counted of each status.
CREATE VIEW counted_orders AS
  SELECT status, sum(n)::bigint AS n
  FROM (
    SELECT status, n FROM order_counts
    UNION ALL
    SELECT enters, n FROM order_deltas WHERE enters IS NOT NULL
    UNION ALL
    SELECT leaves, -n FROM order_deltas WHERE leaves IS NOT NULL
  ) AS change
  GROUP BY status;
COMMENT ON VIEW counted_orders IS
  'The counters of orders: folded, and still to be folded. Exact, as both are of one snapshot.';
