-- What this function may do in the database; all else is refused.
GRANT SELECT ON audits, backorders, dead_letters, inventory_changes, last_sweep, order_counts,
    order_deltas, order_minutes, orders, outbox, stock
  TO orderflow_overview;
