-- Confirmed orders whose hold is over, the longest overdue first. Without locks: those of their
-- items come first.
SELECT order_id, hold_minutes
FROM orders
WHERE status = 'confirmed' AND hold_minutes IS NOT NULL AND due_at <= now()
ORDER BY due_at
LIMIT CAST(:count AS bigint);
