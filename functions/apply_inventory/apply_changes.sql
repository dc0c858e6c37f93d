-- Writes what became of the changes of locked items: stock, ledger, and the changes themselves.
-- Stock that others wait for is marked, so that new orders do not overtake them. A threshold counts
-- as soon as it is told, also with what a later count holds already, but not with what is refused.
WITH applied AS MATERIALIZED (
  SELECT
    item, position, CASE WHEN stock IS NULL THEN 'adjust' ELSE 'count' END AS kind, occurred_at,
    threshold, result, on_hand_change
  FROM jsonb_to_recordset(CAST(:applied AS jsonb)) AS decided (
    position bigint, result text, on_hand_change bigint
  )
  JOIN inventory_changes USING (position)
),
counted AS (
  UPDATE stock SET
    on_hand = on_hand + total.on_hand_change,
    counted_at = greatest(stock.counted_at, total.counted_at),
    threshold = CASE
      WHEN total.threshold IS NULL THEN stock.threshold ELSE nullif(total.threshold, 0)
    END,
    fill_due = fill_due OR EXISTS (SELECT FROM backorders WHERE backorders.item = stock.item)
  FROM (
    SELECT
      item, sum(on_hand_change) AS on_hand_change,
      max(occurred_at) FILTER (WHERE kind = 'count' AND result = 'applied') AS counted_at,
      (array_agg(threshold ORDER BY position DESC) FILTER (WHERE threshold IS NOT NULL))[1]
        AS threshold
    FROM applied
    WHERE result = 'applied' OR result = 'superseded' AND threshold IS NOT NULL
    GROUP BY item
  ) AS total
  WHERE stock.item = total.item
),
ledger AS (
  INSERT INTO stock_ledger (
    item, kind, on_hand_change, reserved_change, change_position, occurred_at
  )
  SELECT item, kind, on_hand_change, 0, position, occurred_at
  FROM applied WHERE result = 'applied'
  ORDER BY position
)
UPDATE inventory_changes SET
  outcome = applied.result, applied_at = now(), attention = NULL
FROM applied
WHERE inventory_changes.position = applied.position AND inventory_changes.outcome IS NULL
RETURNING inventory_changes.position;
