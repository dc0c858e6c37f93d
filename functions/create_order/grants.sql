-- What this function may do in the database; all else is refused.
GRANT INSERT ON order_history, order_lines TO orderflow_create_order;
GRANT SELECT ON archived_orders TO orderflow_create_order;
GRANT USAGE ON SEQUENCE orders_position_seq TO orderflow_create_order;
GRANT SELECT, INSERT ON orders TO orderflow_create_order;
GRANT SELECT, INSERT, DELETE ON outbox TO orderflow_create_order;
