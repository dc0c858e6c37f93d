-- Folds entries of the ledger into the opening balance of their item, together with the one that it
-- has. The last of them becomes the balance: so every later entry finds the sum that it always had
-- before it. Nobody else touches these entries: their orders and changes are over.
WITH leaving AS MATERIALIZED (
  SELECT entry, item, kind, on_hand_change, reserved_change, occurred_at FROM stock_ledger
  WHERE entry = ANY(CAST(:entries AS bigint[]))
),
folded AS MATERIALIZED (
  SELECT * FROM leaving
  UNION ALL
  SELECT entry, item, kind, on_hand_change, reserved_change, occurred_at FROM stock_ledger
  WHERE kind = 'opening' AND item IN (SELECT item FROM leaving)
),
balance AS MATERIALIZED (
  SELECT
    item, max(entry) AS entry,
    sum(on_hand_change)::bigint AS on_hand, sum(reserved_change)::bigint AS reserved,
    -- A count from before cannot keep these movements any more.
    coalesce(
      max(occurred_at) FILTER (WHERE kind IN ('adjust', 'ship', 'opening')), min(occurred_at)
    ) AS occurred_at
  FROM folded
  GROUP BY item
),
gone AS (
  DELETE FROM stock_ledger USING folded
  WHERE stock_ledger.entry = folded.entry
    AND folded.entry NOT IN (SELECT entry FROM balance)
)
UPDATE stock_ledger SET
  kind = 'opening',
  on_hand_change = balance.on_hand,
  reserved_change = balance.reserved,
  order_position = NULL,
  change_position = NULL,
  reason = format('what is in archives up to %s', CAST(:before AS text)),
  occurred_at = balance.occurred_at,
  recorded_at = now()
FROM balance
WHERE stock_ledger.entry = balance.entry;
