-- An index for each queue, so that the work of a step does not grow with what else waits.

DROP INDEX orders_due;
-- sweep: pending orders to be announced again.
CREATE INDEX orders_to_announce ON orders (due_at) WHERE status = 'pending';
-- sweep: confirmed orders whose hold is over.
CREATE INDEX orders_on_hold ON orders (due_at)
  WHERE status = 'confirmed' AND hold_minutes IS NOT NULL;
-- sweep: orders that only a person can move.
CREATE INDEX orders_for_a_person ON orders (due_at)
  WHERE status = 'backordered' OR status = 'confirmed' AND hold_minutes IS NULL;

-- Filling: the first in line for each quantity that is still free.
CREATE INDEX backorders_by_quantity ON backorders (item, quantity, position);
CREATE VIEW short_backorders AS
  SELECT position, item, quantity FROM backorders JOIN stock USING (item)
  WHERE quantity > on_hand - reserved;
COMMENT ON VIEW short_backorders IS
  'What does not fit into what is free: an order waits as long as one of its items is here.';

ALTER TABLE dead_letters
  -- Whether the failure may pass by itself: no answer, one that says later, or tried too often.
  -- What is wrong in itself is for a person to see.
  ADD COLUMN transient boolean NOT NULL GENERATED ALWAYS AS (
    error_code IS NULL OR error_code >= 500 OR error_code IN (404, 408, 409, 429)
    OR coalesce(error_type = 'given-up', false)
  ) STORED;
-- sweep: letters whose work may have been done without them.
CREATE INDEX dead_letters_transient ON dead_letters (type, last_failed_at, position)
  WHERE state = 'kept' AND transient;
