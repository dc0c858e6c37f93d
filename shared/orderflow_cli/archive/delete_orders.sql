-- Deletes locked orders whose entries of the ledger are folded, with their lines and history.
WITH gone AS MATERIALIZED (
  SELECT unnest(CAST(:taken AS bigint[])) AS position
),
lines AS (
  DELETE FROM order_lines USING gone WHERE order_lines.position = gone.position
),
history AS (
  DELETE FROM order_history USING gone WHERE order_history.position = gone.position
)
DELETE FROM orders USING gone WHERE orders.position = gone.position;
