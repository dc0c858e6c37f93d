-- What this function may do in the database; all else is refused.
GRANT SELECT ON backorders, inventory_changes, orders, shown_changes, stock, stock_ledger
  TO orderflow_list_inventory;
