-- The units of each item that backorders wait for.
SELECT item, sum(quantity)::bigint FROM backorders GROUP BY item ORDER BY item;
