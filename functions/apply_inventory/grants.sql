-- What this function may do in the database; all else is refused.
GRANT INSERT ON order_history TO orderflow_apply_inventory;
GRANT SELECT ON order_lines TO orderflow_apply_inventory;
GRANT SELECT, UPDATE ON inventory_changes, orders TO orderflow_apply_inventory;
GRANT SELECT, INSERT ON stock_ledger TO orderflow_apply_inventory;
GRANT SELECT, INSERT, UPDATE ON attempts, stock TO orderflow_apply_inventory;
GRANT SELECT, INSERT, DELETE ON outbox TO orderflow_apply_inventory;
GRANT SELECT, INSERT, UPDATE, DELETE ON backorders TO orderflow_apply_inventory;
