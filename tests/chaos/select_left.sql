-- What must have come to an end once no caller is left.
SELECT
  (SELECT count(*) FROM orders WHERE status = 'pending') AS orders_pending,
  (SELECT count(*) FROM inventory_changes WHERE outcome IS NULL) AS changes_unapplied,
  (SELECT count(*) FROM stock WHERE fill_due) AS items_to_fill,
  (SELECT count(*) FROM outbox) AS events_unsent,
  (SELECT count(*) FROM dead_letters WHERE state = 'kept') AS dead_letters;
