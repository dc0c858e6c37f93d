-- One order as callers see it, and in a second column the facts that tell why it waits. Each fact
-- comes from an index; what stands before it in a queue is counted up to a limit.
SELECT
  (
    SELECT to_json(shown)::text FROM (
      SELECT
        order_id, status, on_shortage, hold_minutes, placed_by, placed_at, updated_at,
        (
          SELECT json_agg(json_build_object('item', item, 'quantity', quantity) ORDER BY line)
          FROM order_lines WHERE order_lines.position = orders.position
        ) AS lines,
        (
          SELECT json_agg(
            json_build_object(
              'sequence', sequence, 'status', status, 'cause', cause, 'by', asked_by, 'at', at
            ) ORDER BY sequence
          )
          FROM order_history WHERE order_history.position = orders.position
        ) AS history
    ) AS shown
  ),
  (
    SELECT to_json(known)::text FROM (
      SELECT
        order_id, status, hold_minutes, announcements,
        attention_of(attention, short_of) AS attention,
        nullif(due_at, 'infinity') AS due_at, due_at <= now() AS is_overdue,
        (
          SELECT coalesce(json_agg(queue ORDER BY item), '[]') FROM (
            SELECT
              item, quantity AS needs, on_hand - reserved AS free, fill_due, ahead, ahead_units,
              (
                SELECT count(*) FROM (
                  SELECT FROM inventory_changes
                  WHERE inventory_changes.item = backorders.item AND outcome IS NULL
                  LIMIT CAST(:most AS bigint)
                ) AS counted
              ) AS unapplied,
              (
                SELECT json_build_object('id', position, 'error', error, 'sendable', sendable)
                FROM dead_letters
                WHERE dead_letters.item = backorders.item AND state = 'kept'
                  AND consumer = 'apply-inventory'
                ORDER BY last_failed_at DESC, position DESC LIMIT 1
              ) AS letter
            FROM backorders JOIN stock USING (item)
            CROSS JOIN LATERAL (
              SELECT count(*) AS ahead, coalesce(sum(quantity), 0) AS ahead_units FROM (
                SELECT quantity FROM backorders AS earlier
                WHERE earlier.item = backorders.item AND earlier.position < backorders.position
                LIMIT CAST(:most AS bigint)
              ) AS counted
            ) AS queue
            WHERE backorders.position = orders.position
          ) AS queue
        ) AS queues,
        (
          SELECT coalesce(json_agg(shortage ORDER BY item), '[]') FROM (
            SELECT item, sum(quantity) AS needs, on_hand, reserved
            FROM order_lines JOIN stock USING (item)
            WHERE order_lines.position = orders.position AND orders.status = 'confirmed'
            GROUP BY item, on_hand, reserved
            HAVING on_hand < sum(quantity) OR item = ANY(short_of)
          ) AS shortage
        ) AS shortages,
        (
          SELECT coalesce(json_agg(DISTINCT item), '[]')
          FROM order_lines JOIN stock USING (item)
          WHERE order_lines.position = orders.position AND fill_due
        ) AS offered,
        (
          SELECT json_build_object(
            'failures', sum(failures), 'last_failed_at', max(last_failed_at),
            'last_error', (array_agg(last_error ORDER BY last_failed_at DESC))[1]
          )
          FROM attempts WHERE event_id = :event_id AND orders.status = 'pending'
          HAVING count(*) > 0
        ) AS attempts,
        (
          SELECT json_build_object('id', position, 'error', error, 'sendable', sendable)
          FROM dead_letters
          WHERE dead_letters.order_id = orders.order_id AND state = 'kept'
            AND consumer = 'process-order'
          ORDER BY last_failed_at DESC, position DESC LIMIT 1
        ) AS letter,
        (
          SELECT json_build_object('type', type, 'since', at) FROM outbox
          WHERE aggregateid = orders.order_id AND aggregatetype IN ('orders', 'order-events')
            -- Until then its writer is at it.
            AND at < now() - interval '5 seconds'
          ORDER BY at, sequence LIMIT 1
        ) AS unsent
    ) AS known
  )
FROM orders
WHERE order_id = :order_id AND (CAST(:owner AS text) IS NULL OR placed_by = :owner);
