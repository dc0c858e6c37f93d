-- What people who look after it ask the database: changes of stock by what became of them, and the
-- audits that were run.

-- The indexes are over all changes that there are.
SET LOCAL statement_timeout = '10min';

-- Changes as lists show them, and what lists choose by.
CREATE VIEW shown_changes AS
  SELECT
    position, change_id, item, coalesce(outcome, 'pending') AS status,
    json_build_object(
      'change_id', change_id,
      'item', item,
      'stock', stock,
      'adjust', adjust,
      'threshold', threshold,
      'reason', reason,
      'status', coalesce(outcome, 'pending'),
      'why', CASE outcome
        WHEN 'superseded' THEN 'a later count holds it already'
        WHEN 'refused' THEN 'on hand would have fallen below zero'
        ELSE attention
      END,
      'occurred_at', occurred_at,
      'received_at', received_at,
      'applied_at', applied_at
    ) AS shown
  FROM inventory_changes;
COMMENT ON VIEW shown_changes IS
  'Inventory changes as lists show them. Each list adds what its index serves.';

-- GET /inventory/changes, with or without outcome=
CREATE INDEX inventory_changes_by_status
  ON inventory_changes (coalesce(outcome, 'pending'), position);
-- GET /inventory/changes?item=, with or without outcome=
CREATE INDEX inventory_changes_by_item
  ON inventory_changes (item, coalesce(outcome, 'pending'), position);

CREATE TABLE audits (
  audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  -- The subject who asked for it, or whoever the command was told; 'schedule': nobody did.
  asked_by text NOT NULL CHECK (length(asked_by) BETWEEN 1 AND 255),
  -- Of all checks together; none: all of it held.
  differences bigint NOT NULL CHECK (differences >= 0),
  -- How many rows each check looked at.
  counted json NOT NULL,
  -- What each check found, with some examples.
  checks json NOT NULL,
  CHECK (finished_at >= started_at)
);
COMMENT ON TABLE audits IS
  'What audits found. audits and the command insert; of the oldest they delete what is too many.';
