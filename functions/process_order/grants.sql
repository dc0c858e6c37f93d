-- What this function may do in the database; all else is refused.
GRANT INSERT ON order_history TO orderflow_process_order;
GRANT SELECT ON archived_orders, order_lines TO orderflow_process_order;
GRANT SELECT, UPDATE ON orders TO orderflow_process_order;
GRANT SELECT, INSERT ON stock_ledger TO orderflow_process_order;
GRANT SELECT, INSERT, UPDATE ON attempts, stock TO orderflow_process_order;
GRANT SELECT, INSERT, DELETE ON outbox TO orderflow_process_order;
GRANT SELECT, INSERT, UPDATE, DELETE ON backorders TO orderflow_process_order;
