-- Orders that wait although there is enough of every item, and no item is marked to be offered.
WITH difference AS MATERIALIZED (
  SELECT position
  FROM backorders JOIN stock USING (item)
  GROUP BY position
  HAVING bool_and(quantity <= on_hand - reserved) AND NOT bool_or(fill_due)
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
