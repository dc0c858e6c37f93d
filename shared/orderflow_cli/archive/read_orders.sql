-- Orders as an archive has them, each a line of JSON: every column there is, with lines, history
-- and entries of the ledger.
SELECT position, to_jsonb(whole)::text FROM (
  SELECT
    orders.*,
    (
      SELECT json_agg(wanted ORDER BY line) FROM (
        SELECT line, item, quantity FROM order_lines
        WHERE order_lines.position = orders.position
      ) AS wanted
    ) AS lines,
    (
      SELECT coalesce(json_agg(step ORDER BY sequence), '[]') FROM (
        SELECT sequence, status, cause, at, asked_by FROM order_history
        WHERE order_history.position = orders.position
      ) AS step
    ) AS history,
    (
      SELECT coalesce(json_agg(movement ORDER BY entry), '[]') FROM (
        SELECT
          entry, item, kind, on_hand_change, reserved_change, reason, occurred_at, recorded_at
        FROM stock_ledger WHERE order_position = orders.position
      ) AS movement
    ) AS ledger
  FROM orders
  WHERE position = ANY(CAST(:ids AS bigint[]))
) AS whole
ORDER BY position;
