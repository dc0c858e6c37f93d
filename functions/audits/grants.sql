-- What this function may do in the database; all else is refused.
GRANT SELECT ON backorders, counted_orders, inventory_changes, item_orders, order_history,
    order_lines, orders, stock, stock_ledger
  TO orderflow_audits;
GRANT SELECT, INSERT, DELETE ON audits TO orderflow_audits;
