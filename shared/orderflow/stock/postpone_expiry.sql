-- Lets a hold that can't be ended wait, so that those behind it get their turn, and asks a person.
UPDATE orders SET
  attention = :attention,
  due_at = now() + CAST(:pause_s AS integer) * interval '1 second'
WHERE order_id = :order_id AND status = 'confirmed';
