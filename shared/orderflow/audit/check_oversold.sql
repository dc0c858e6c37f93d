-- Reservations that went beyond what was on hand at that instant, by the running sums of the
-- ledger: an item's entries are numbered under its lock. What a later repair says of the sums
-- before it may have been so already then. What stands before an opening balance has lost its
-- neighbours to an archive, and was proved before. A count may find less than is reserved; that is
-- short and no fault.
WITH named AS MATERIALIZED (
  -- Numbers sort several times faster than names.
  SELECT item, row_number() OVER () AS number, opened_at
  FROM (
    SELECT item, max(entry) FILTER (WHERE kind = 'opening') AS opened_at
    FROM stock_ledger GROUP BY item
  ) AS used
),
running AS (
  SELECT
    entry, number,
    reserved_change > 0 AND kind <> 'repair' AND entry > coalesce(opened_at, 0) AS reserves,
    sum(on_hand_change - reserved_change) OVER (
      PARTITION BY number ORDER BY entry ROWS UNBOUNDED PRECEDING
    ) AS free
  FROM stock_ledger JOIN named USING (item)
  WHERE on_hand_change <> reserved_change
),
suspect AS MATERIALIZED (
  SELECT entry, item, free FROM running JOIN named USING (number) WHERE reserves AND free < 0
),
difference AS MATERIALIZED (
  SELECT entry, item, -free AS units
  FROM suspect
  WHERE -free > (
    SELECT coalesce(sum(greatest(on_hand_change, 0) - least(reserved_change, 0)), 0)
    FROM stock_ledger AS repair
    WHERE repair.item = suspect.item AND repair.entry > suspect.entry AND repair.kind = 'repair'
  )
),
short AS (
  SELECT count(*) AS items FROM stock WHERE reserved > on_hand
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM stock_ledger),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT entry, difference.item, order_id, reserved_change AS reserved, units AS units_too_many,
      recorded_at
    FROM difference JOIN stock_ledger USING (entry)
    LEFT JOIN orders ON orders.position = order_position
    ORDER BY entry LIMIT CAST(:shown AS bigint)
  ) AS row),
  'remark', (
    SELECT format('items that are short, because less was found than is reserved: %s', items)
    FROM short WHERE items > 0
  )
)::text;
