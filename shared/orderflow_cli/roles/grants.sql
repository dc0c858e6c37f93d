-- What the commands may do that look into the database, repair it and archive what is over; all
-- else is refused.
GRANT SELECT ON counted_orders, migrations, outbox TO orderflow_operator;
GRANT SELECT, DELETE ON attempts, order_history, order_lines TO orderflow_operator;
GRANT SELECT, UPDATE ON dead_letters TO orderflow_operator;
GRANT SELECT, UPDATE, DELETE ON inventory_changes, orders TO orderflow_operator;
GRANT INSERT ON order_deltas TO orderflow_operator;
GRANT SELECT, INSERT ON redriven_letters, redrives TO orderflow_operator;
GRANT SELECT, INSERT, UPDATE ON stock TO orderflow_operator;
GRANT SELECT, INSERT, DELETE ON item_orders TO orderflow_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON backorders, stock_ledger TO orderflow_operator;
GRANT SELECT, INSERT ON first_answers TO orderflow_operator;
GRANT INSERT ON archived_changes, archived_orders TO orderflow_operator;
GRANT SELECT, INSERT, UPDATE ON archives TO orderflow_operator;
GRANT SELECT, INSERT, DELETE ON audits TO orderflow_operator;
