-- Who made what, and what makes a call safe to repeat. What is from before callers had names is
-- 'local's, which is everyone on a machine without tokens.

ALTER TABLE orders
  -- The subject whose order it is.
  ADD COLUMN placed_by text NOT NULL DEFAULT 'local';
ALTER TABLE order_history
  -- The subject who asked for it; NULL where nobody did.
  ADD COLUMN asked_by text;
ALTER TABLE inventory_changes
  ADD COLUMN told_by text NOT NULL DEFAULT 'local',
  -- What makes a change without a change_id safe to repeat.
  ADD COLUMN idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 255);

DROP INDEX orders_by_idempotency_key;
-- create_order and update_inventory: one effect a caller and key; most have none.
CREATE UNIQUE INDEX orders_by_idempotency_key ON orders (idempotency_key, placed_by)
  WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX inventory_changes_by_idempotency_key
  ON inventory_changes (idempotency_key, told_by)
  WHERE idempotency_key IS NOT NULL;

CREATE TABLE first_answers (
  idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
  subject text NOT NULL,
  -- Digest of method, path and body, to tell a repeat from another call under the same key.
  fingerprint text NOT NULL,
  answer json NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (idempotency_key, subject)
);
COMMENT ON TABLE first_answers IS
  'What calls with an idempotency key were answered. update_order and redrive insert with the '
  'effect; sweep deletes.';
-- sweep: what is old enough to be forgotten.
CREATE INDEX first_answers_by_time ON first_answers (answered_at);
