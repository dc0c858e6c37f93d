-- What nobody needs any more goes: rows of items that nobody has or wants, and records whose time
-- is over. Each index serves one bounded step of sweep's.

ALTER TABLE stock
  -- When sweep looks whether anybody needs the row; NULL: it stays, because the item had stock. An
  -- order may name any item, and one that waits for it needs a row to be locked by.
  ADD COLUMN review_at timestamptz;
ALTER TABLE stock ALTER COLUMN review_at SET DEFAULT now() + interval '1 minute';
-- Rows from before that were made for orders, and never had anything in them.
UPDATE stock SET review_at = now() WHERE on_hand = 0 AND reserved = 0 AND counted_at IS NULL;
-- sweep: the rows to be looked at.
CREATE INDEX stock_to_review ON stock (review_at) WHERE review_at IS NOT NULL;

-- sweep: changes that moved no stock and are old enough to be forgotten.
CREATE INDEX inventory_changes_without_effect ON inventory_changes (applied_at)
  WHERE outcome IN ('superseded', 'refused');
-- sweep: redrives that are old enough to be forgotten.
CREATE INDEX redrives_by_time ON redrives (asked_at);
