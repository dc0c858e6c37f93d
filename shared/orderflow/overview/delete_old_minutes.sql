-- Forgets minutes that no overview shows any more; an hour and a little is shown.
DELETE FROM order_minutes WHERE minute < now() - interval '3 hours';
