-- What this function may do in the database; all else is refused.
GRANT INSERT ON order_history TO orderflow_update_order;
GRANT SELECT ON order_lines TO orderflow_update_order;
GRANT SELECT, UPDATE ON orders TO orderflow_update_order;
GRANT SELECT, INSERT ON stock_ledger TO orderflow_update_order;
GRANT SELECT, INSERT, DELETE ON backorders, outbox TO orderflow_update_order;
GRANT SELECT, INSERT, UPDATE ON stock TO orderflow_update_order;
GRANT SELECT, INSERT ON first_answers TO orderflow_update_order;
