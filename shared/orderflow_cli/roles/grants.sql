-- What the commands may do that look into the database and repair it; all else is refused.
GRANT SELECT ON migrations, order_counts, order_history, order_lines, outbox
  TO orderflow_operator;
GRANT SELECT, DELETE ON attempts TO orderflow_operator;
GRANT SELECT, UPDATE ON dead_letters, inventory_changes, orders TO orderflow_operator;
GRANT SELECT, INSERT ON order_deltas, redriven_letters, redrives, stock_ledger
  TO orderflow_operator;
GRANT SELECT, INSERT, UPDATE ON stock TO orderflow_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON backorders TO orderflow_operator;
GRANT SELECT, INSERT ON first_answers TO orderflow_operator;
GRANT SELECT, INSERT, DELETE ON audits TO orderflow_operator;
