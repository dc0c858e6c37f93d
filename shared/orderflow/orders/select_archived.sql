-- Which of these orders are in an archive.
SELECT order_id FROM archived_orders WHERE order_id = ANY(CAST(:order_ids AS text[]));
