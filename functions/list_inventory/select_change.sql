-- One inventory change, and what became of it.
SELECT to_json(row)::text FROM (
  SELECT
    change_id, item, stock, adjust, threshold, reason, coalesce(outcome, 'pending') AS status,
    CASE outcome
      WHEN 'superseded' THEN 'a later count holds it already'
      WHEN 'refused' THEN 'on hand would have fallen below zero'
      ELSE attention
    END AS why,
    occurred_at, received_at, applied_at
  FROM inventory_changes
  WHERE change_id = :change_id
) AS row;
