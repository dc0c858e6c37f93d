-- The first of the items' changes not yet applied, in the order in which they came. A count is
-- given the sum of the movements on record after its time: each stretch between two counts is
-- summed once, so that the ledger is read once, however many counts there are. Where some of them
-- are in an opening balance it is given none: that cannot be told any more. A statement of its own:
-- it must see what was committed while the one before waited for the lock.
WITH unapplied AS MATERIALIZED (
  SELECT item, position, stock, adjust, occurred_at
  FROM inventory_changes
  WHERE outcome IS NULL AND item = ANY(CAST(:items AS text[]))
  ORDER BY item, position
  LIMIT CAST(:count AS bigint)
),
counts AS (
  SELECT
    unapplied.item, position, occurred_at,
    lag(occurred_at, 1, 'infinity') OVER later AS until
  FROM unapplied JOIN stock ON stock.item = unapplied.item
  -- A count from before the latest is superseded, whatever has moved since.
  WHERE unapplied.stock IS NOT NULL AND (counted_at <= occurred_at) IS NOT FALSE
  WINDOW later AS (PARTITION BY unapplied.item ORDER BY occurred_at DESC)
),
moved AS MATERIALIZED (
  SELECT
    position,
    sum(units) OVER (PARTITION BY counts.item ORDER BY occurred_at DESC)::bigint AS since
  FROM counts CROSS JOIN LATERAL (
    SELECT coalesce(sum(on_hand_change), 0) AS units FROM stock_ledger
    WHERE stock_ledger.item = counts.item
      AND kind IN ('adjust', 'ship')
      AND stock_ledger.occurred_at > counts.occurred_at
      AND stock_ledger.occurred_at <= counts.until
  ) AS stretch
)
SELECT
  item, position, stock, adjust, occurred_at,
  CASE WHEN NOT EXISTS (
    SELECT FROM stock_ledger
    WHERE stock_ledger.item = unapplied.item AND kind = 'opening'
      AND stock_ledger.occurred_at > unapplied.occurred_at
  ) THEN coalesce(since, 0) END AS moved_since
FROM unapplied LEFT JOIN moved USING (position)
ORDER BY item, position;
