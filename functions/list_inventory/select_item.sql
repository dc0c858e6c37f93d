-- One item with who waits for it, counted up to a limit, its newest movements, the balance before
-- the oldest, and the changes refused lately.
SELECT to_json(row)::text FROM (
  SELECT
    item, on_hand, reserved, greatest(on_hand - reserved, 0) AS available,
    greatest(reserved - on_hand, 0) AS short, threshold, counted_at,
    (
      SELECT json_build_object(
        'orders', count(*), 'units', coalesce(sum(quantity), 0),
        'more', count(*) = CAST(:most AS bigint)
      )
      FROM (
        SELECT quantity FROM backorders WHERE backorders.item = stock.item
        LIMIT CAST(:most AS bigint)
      ) AS counted
    ) AS backordered,
    (
      SELECT json_build_object(
        'on_hand_change', on_hand_change, 'reserved_change', reserved_change,
        'reason', reason, 'recorded_at', recorded_at
      )
      FROM stock_ledger
      -- A place in the index of openings, as below in that of all entries.
      WHERE (stock_ledger.item, entry) < (stock.item, 9223372036854775807)
        AND stock_ledger.item >= stock.item
        AND kind = 'opening'
      ORDER BY stock_ledger.item DESC, entry DESC
      LIMIT 1
    ) AS opening,
    (
      SELECT coalesce(json_agg(movement), '[]') FROM (
        SELECT
          entry, kind, on_hand_change, reserved_change, order_id, change_id,
          coalesce(stock_ledger.reason, inventory_changes.reason) AS reason,
          stock_ledger.occurred_at, recorded_at
        FROM stock_ledger
        LEFT JOIN orders ON orders.position = order_position
        LEFT JOIN inventory_changes ON inventory_changes.position = change_position
        -- A place in the index of an item's entries, which says it is read and no other: the
        -- newest of all items would be read until there are enough of this one.
        WHERE (stock_ledger.item, entry) < (stock.item, CAST(:below AS bigint))
          AND stock_ledger.item >= stock.item
          AND kind <> 'opening'
        ORDER BY stock_ledger.item DESC, entry DESC
        LIMIT CAST(:count AS bigint)
      ) AS movement
    ) AS ledger,
    (
      SELECT coalesce(json_agg(refused), '[]') FROM (
        SELECT change_id, adjust, reason, occurred_at
        FROM inventory_changes
        WHERE inventory_changes.item = stock.item AND outcome = 'refused'
        ORDER BY position DESC
        LIMIT 10
      ) AS refused
    ) AS refused_changes
  FROM stock
  WHERE item = :item
) AS row;
