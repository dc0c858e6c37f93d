-- Each waiting order says which item it is blocked by, so that filling an item finds those that it
-- may help through an index, however many wait for another.

-- It reads and writes whole tables, once.
SET LOCAL statement_timeout = '10min';
SET LOCAL enable_hashjoin = on;

DROP INDEX backorders_by_quantity;
DROP VIEW short_backorders;
ALTER TABLE backorders
  -- An item of the order of which less is free than it needs, and how much it needs; or more is
  -- free by now, and stock.fill_due says of that item that it is to be offered.
  ADD COLUMN blocked_by text,
  ADD COLUMN blocked_quantity bigint;
UPDATE backorders SET blocked_by = blocking.item, blocked_quantity = blocking.quantity
FROM (
  SELECT DISTINCT ON (position) position, item, quantity
  FROM backorders JOIN stock USING (item)
  ORDER BY position, quantity > on_hand - reserved DESC, fill_due DESC, item
) AS blocking
WHERE blocking.position = backorders.position;
ALTER TABLE backorders
  ALTER COLUMN blocked_by SET NOT NULL,
  ALTER COLUMN blocked_quantity SET NOT NULL;

-- Filling, where few may fit: those that need no more of what blocks them than is free.
CREATE INDEX backorders_by_quantity ON backorders (item, blocked_by, blocked_quantity, position);
-- Filling, where many may fit: the first in line.
CREATE INDEX backorders_in_line ON backorders (item, blocked_by, position);
