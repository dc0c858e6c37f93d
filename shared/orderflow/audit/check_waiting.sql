-- Orders that wait although there is enough of the item that they are said to be blocked by, which
-- is not marked to be offered; or they do not wait for that item at all.
WITH difference AS MATERIALIZED (
  SELECT DISTINCT waiting.position
  FROM backorders AS waiting
  JOIN stock ON stock.item = waiting.blocked_by
  LEFT JOIN backorders AS blocking
    ON blocking.position = waiting.position AND blocking.item = waiting.blocked_by
  WHERE blocking.quantity IS NULL
    OR blocking.quantity <= on_hand - reserved AND NOT fill_due
)
SELECT json_build_object(
  'looked_at', (SELECT count(*) FROM backorders),
  'found', (SELECT count(*) FROM difference),
  'rows', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT order_id, status, (
      SELECT json_agg(json_build_object(
        'item', item, 'needs', quantity, 'available', on_hand - reserved
      ) ORDER BY item)
      FROM backorders JOIN stock USING (item) WHERE backorders.position = difference.position
    ) AS waits_for
    FROM difference JOIN orders USING (position)
    ORDER BY position LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
