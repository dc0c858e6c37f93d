-- Of some locked items: says on the confirmed orders which of them can't be shipped, because less
-- is on hand than is reserved, and takes it back from those that can. Who was promised stock first
-- has it, so the newest reservations are followed back until they make up what is missing.
WITH RECURSIVE wanted AS MATERIALIZED (
  SELECT unnest(CAST(:items AS text[])) AS item
),
promised AS (
  SELECT
    item, reserved - on_hand AS missing, 0::bigint AS units, 0 AS orders,
    9223372036854775807 AS entry, NULL::bigint AS position
  FROM stock WHERE item IN (SELECT item FROM wanted)
  UNION ALL
  SELECT
    item, missing, units + before.reserved_change, orders + 1, before.entry, before.order_position
  FROM promised CROSS JOIN LATERAL (
    SELECT entry, order_position, reserved_change FROM stock_ledger
    -- A place in the index of an item's entries, as in the list of an item.
    WHERE (stock_ledger.item, stock_ledger.entry) < (promised.item, promised.entry)
      AND stock_ledger.item >= promised.item
      AND kind = 'reserve'
      -- Of each entry, so that only as many are looked at as are needed.
      AND (SELECT status FROM orders WHERE orders.position = order_position) = 'confirmed'
    ORDER BY stock_ledger.item DESC, stock_ledger.entry DESC
    LIMIT 1
  ) AS before
  WHERE units < missing AND orders < CAST(:count AS integer)
),
short AS MATERIALIZED (
  SELECT position, array_agg(item ORDER BY item) AS items
  FROM promised WHERE position IS NOT NULL GROUP BY position
),
affected AS (
  SELECT position FROM short
  UNION
  SELECT position FROM orders
  WHERE short_of && ARRAY(SELECT item FROM wanted)
    -- As the index says.
    AND (attention IS NOT NULL OR short_of IS NOT NULL)
)
UPDATE orders SET short_of = nullif(ARRAY(
  SELECT item FROM unnest(short_of) AS item WHERE item NOT IN (SELECT item FROM wanted)
  UNION
  SELECT item FROM short, unnest(short.items) AS item WHERE short.position = orders.position
  ORDER BY item
), '{}')
FROM affected
WHERE orders.position = affected.position;
