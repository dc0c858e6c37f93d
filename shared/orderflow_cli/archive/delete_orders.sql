-- Deletes locked orders whose entries of the ledger are folded, with their lines and history,
-- and with what lists find them by, which follows moves alone.
WITH gone AS MATERIALIZED (
  SELECT unnest(CAST(:taken AS bigint[])) AS position
),
found_by AS (
  DELETE FROM item_orders USING gone, orders, order_lines
  WHERE orders.position = gone.position AND order_lines.position = gone.position
    AND item_orders.item = order_lines.item AND item_orders.status = orders.status
    AND item_orders.position = gone.position
),
lines AS (
  DELETE FROM order_lines USING gone WHERE order_lines.position = gone.position
),
history AS (
  DELETE FROM order_history USING gone WHERE order_history.position = gone.position
)
DELETE FROM orders USING gone WHERE orders.position = gone.position;
