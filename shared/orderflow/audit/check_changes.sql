-- Inventory changes that were applied and have not just one entry that says what they said, and
-- entries of changes that were not applied.
WITH entered AS (
  SELECT
    change_position AS position, count(*) AS entries,
    min(item) AS item, min(kind) AS kind, min(occurred_at) AS occurred_at,
    sum(on_hand_change) AS on_hand_change, sum(reserved_change) AS reserved_change
  FROM stock_ledger WHERE change_position IS NOT NULL
  GROUP BY change_position
),
difference AS MATERIALIZED (
  SELECT
    change.position, change_id, change.item, coalesce(outcome, 'unapplied') AS outcome,
    coalesce(entries, 0) AS entries, stock, adjust, kind, on_hand_change
  FROM inventory_changes AS change LEFT JOIN entered USING (position)
  WHERE coalesce(entries, 0) <> CASE outcome WHEN 'applied' THEN 1 ELSE 0 END
    OR entered.item <> change.item
    OR kind <> CASE WHEN stock IS NULL THEN 'adjust' ELSE 'count' END
    OR entered.occurred_at <> change.occurred_at
    OR on_hand_change <> adjust
    OR reserved_change <> 0
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM inventory_changes),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT change_id, item, outcome, stock, adjust, entries, kind, on_hand_change
    FROM difference ORDER BY position LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
