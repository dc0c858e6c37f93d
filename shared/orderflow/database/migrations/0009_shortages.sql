-- A count may find less than is reserved. Then a person has to look at what can't be shipped.

ALTER TABLE orders
  -- Items that are not on hand for this confirmed order: less is there than is reserved, and others
  -- were promised theirs before. NULL: all of it is there.
  ADD COLUMN short_of text[] CHECK (cardinality(short_of) > 0);

DROP INDEX orders_attention;
-- GET /orders?attention=true: what a person has to look at.
CREATE INDEX orders_attention ON orders (position)
  WHERE attention IS NOT NULL OR short_of IS NOT NULL;
