-- Movements of stock that an order's history demands and the ledger lacks, or has otherwise or more
-- than once, and those that it has and no history demands. What each step demands of each line
-- stands beside what was entered, so that all of it is grouped in one pass.
WITH step AS (
  SELECT position, CASE status WHEN 'confirmed' THEN 'reserve' ELSE 'ship' END AS kind
  FROM order_history WHERE status IN ('confirmed', 'shipped')
  UNION ALL
  SELECT cancelled.position, 'release'
  FROM order_history AS cancelled
  JOIN order_history AS before
    ON before.position = cancelled.position AND before.sequence = cancelled.sequence - 1
  WHERE cancelled.status = 'cancelled' AND before.status = 'confirmed'
),
movement AS (
  SELECT
    position, item, kind, quantity,
    NULL::bigint AS on_hand_change, NULL::bigint AS reserved_change
  FROM step JOIN order_lines USING (position)
  UNION ALL
  SELECT order_position, item, kind, NULL, on_hand_change, reserved_change
  FROM stock_ledger WHERE order_position IS NOT NULL
),
difference AS MATERIALIZED (
  SELECT
    position, item, kind, sum(quantity) AS units_demanded, count(on_hand_change) AS entries,
    -- That of the one entry: with more than one, that is the fault.
    max(on_hand_change) AS on_hand_change, max(reserved_change) AS reserved_change
  FROM movement
  GROUP BY position, item, kind
  HAVING count(on_hand_change) <> CASE WHEN count(quantity) = 0 THEN 0 ELSE 1 END
    OR max(on_hand_change) <> sum(quantity) * CASE kind WHEN 'ship' THEN -1 ELSE 0 END
    OR max(reserved_change) <> sum(quantity) * CASE kind WHEN 'reserve' THEN 1 ELSE -1 END
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM order_lines)
    + (SELECT count(*) FROM stock_ledger WHERE order_position IS NOT NULL),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, item, kind, units_demanded, entries, on_hand_change, reserved_change
    FROM difference LEFT JOIN orders USING (position)
    ORDER BY position, item, kind LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
