-- What this function may do in the database; all else is refused.
GRANT SELECT ON attempts, backorders, dead_letters, inventory_changes, item_orders, order_history,
    order_lines, orders, outbox, shown_orders, stock
  TO orderflow_list_orders;
