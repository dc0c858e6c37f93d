-- What this function may do in the database; all else is refused.
GRANT SELECT ON archived_changes TO orderflow_update_inventory;
GRANT USAGE ON SEQUENCE inventory_changes_position_seq TO orderflow_update_inventory;
GRANT SELECT, INSERT ON inventory_changes TO orderflow_update_inventory;
GRANT SELECT, INSERT, DELETE ON outbox TO orderflow_update_inventory;
