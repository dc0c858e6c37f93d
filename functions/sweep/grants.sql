-- What this function may do in the database; all else is refused.
GRANT INSERT ON order_history TO orderflow_sweep;
GRANT SELECT, DELETE ON order_deltas TO orderflow_sweep;
GRANT SELECT, INSERT, UPDATE ON last_sweep, order_counts TO orderflow_sweep;
GRANT SELECT, INSERT, UPDATE, DELETE ON order_minutes TO orderflow_sweep;
GRANT SELECT ON archived_orders, order_lines TO orderflow_sweep;
GRANT SELECT, UPDATE ON orders, redriven_letters TO orderflow_sweep;
GRANT SELECT, INSERT ON stock_ledger TO orderflow_sweep;
GRANT SELECT, INSERT, DELETE ON backorders TO orderflow_sweep;
GRANT SELECT, UPDATE, DELETE ON dead_letters, first_answers, inventory_changes, redrives
  TO orderflow_sweep;
GRANT SELECT, INSERT, UPDATE, DELETE ON attempts, stock, outbox TO orderflow_sweep;
