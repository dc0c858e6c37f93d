-- The orders of an item by their status: a rare one is found among them as fast as a common one.

-- It reads all orders with their lines, once; meanwhile nobody moves one.
SET LOCAL statement_timeout = '10min';
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL work_mem = '256MB';

CREATE TABLE item_orders (
  item text NOT NULL,
  -- The order's, once it is decided. Placing an order writes nothing here: pending are few, and
  -- found by their status.
  status text NOT NULL,
  position bigint NOT NULL,
  PRIMARY KEY (item, status, position)
);
COMMENT ON TABLE item_orders IS
  'What GET /orders?item=&status= is read from, a row an item of a decided order. A trigger on '
  'orders writes it, so whatever moves an order does.';

-- Both versions of an order are found by grouping, as in count_moved_orders.
CREATE FUNCTION follow_item_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    SELECT
      position,
      max(status) FILTER (WHERE NOT moved) AS leaves,
      max(status) FILTER (WHERE moved) AS enters
    FROM (
      SELECT position, status, false AS moved FROM before
      UNION ALL
      SELECT position, status, true FROM after
    ) AS version
    GROUP BY position
  ),
  wanted AS MATERIALIZED (
    SELECT DISTINCT item, leaves, enters, position
    FROM changed JOIN order_lines USING (position)
    WHERE leaves <> enters
  ),
  gone AS (
    DELETE FROM item_orders USING wanted
    WHERE item_orders.item = wanted.item AND item_orders.status = wanted.leaves
      AND item_orders.position = wanted.position
      AND wanted.leaves <> 'pending'
  )
  INSERT INTO item_orders (item, status, position)
  SELECT item, enters, position FROM wanted;
  RETURN NULL;
END $$;
CREATE TRIGGER orders_followed_by_item AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT
  EXECUTE FUNCTION follow_item_orders();

-- As its owner, as those that count: an older version's functions have no right on the table.
DO $$ BEGIN
  EXECUTE format(
    'ALTER FUNCTION follow_item_orders() SECURITY DEFINER SET search_path = %I, pg_temp',
    current_schema()
  );
END $$;

-- The trigger holds writers up until this commits, so no move is left out.
INSERT INTO item_orders (item, status, position)
SELECT DISTINCT item, status, position
FROM orders JOIN order_lines USING (position)
WHERE status <> 'pending';
