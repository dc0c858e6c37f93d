-- What the promises say, counted over everything the database holds. All must be 0 but the first.
WITH running AS (
  SELECT
    item,
    sum(on_hand_change) OVER past AS on_hand,
    sum(reserved_change) OVER past AS reserved,
    reserved_change
  FROM stock_ledger
  WINDOW past AS (PARTITION BY item ORDER BY entry)
),
ledger AS (
  SELECT item, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
  FROM stock_ledger GROUP BY item
),
held AS (
  SELECT item, sum(quantity) AS reserved
  FROM orders JOIN order_lines USING (position) WHERE status = 'confirmed' GROUP BY item
),
twice AS (
  SELECT count(*) AS n FROM order_history GROUP BY position, status HAVING count(*) > 1
  UNION ALL
  SELECT count(*) FROM stock_ledger
  GROUP BY order_position, change_position, item, kind HAVING count(*) > 1
)
SELECT
  (SELECT count(*) FROM orders) AS orders,
  (
    SELECT count(*) FROM jsonb_array_elements_text(CAST(:accepted AS jsonb)) AS told (order_id)
    WHERE NOT EXISTS (SELECT FROM orders WHERE orders.order_id = told.order_id)
  ) AS lost,
  (SELECT count(*) FROM orders WHERE status = 'pending') AS without_outcome,
  (SELECT count(*) FROM twice) AS done_twice,
  -- At no instant: each reservation in the ledger against the balance right after it.
  (
    SELECT coalesce(sum(reserved - on_hand), 0)::bigint FROM running
    WHERE reserved > on_hand AND reserved_change > 0
  ) AS units_oversold,
  (
    SELECT count(*) FROM stock FULL JOIN ledger USING (item)
    WHERE coalesce(stock.on_hand, 0) <> coalesce(ledger.on_hand, 0)
       OR coalesce(stock.reserved, 0) <> coalesce(ledger.reserved, 0)
  ) AS items_off_ledger,
  (
    SELECT count(*) FROM stock FULL JOIN held USING (item)
    WHERE coalesce(stock.reserved, 0) <> coalesce(held.reserved, 0)
  ) AS items_off_orders;
