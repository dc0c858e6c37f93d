-- Items of which less is free than backordered orders wait for, with those orders and their units;
-- those with the most units first. It adds up the queue, so it is asked seldom.
WITH waiting AS (
  SELECT item, count(*) AS orders, sum(quantity)::bigint AS units
  FROM (
    SELECT item, quantity FROM backorders ORDER BY item, position LIMIT CAST(:most AS bigint)
  ) AS queue
  GROUP BY item
),
short AS MATERIALIZED (
  SELECT item, greatest(on_hand - reserved, 0) AS available, orders, units
  FROM waiting JOIN stock USING (item)
  WHERE units > on_hand - reserved
)
SELECT json_build_object(
  'count', (SELECT count(*) FROM short),
  'items', (SELECT coalesce(json_agg(row), '[]') FROM (
    SELECT item, available, orders, units FROM short
    ORDER BY units DESC, item
    LIMIT CAST(:shown AS bigint)
  ) AS row)
)::text;
