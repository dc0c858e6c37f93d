-- No open state without a deadline: one column says when sweep looks at an order next.

ALTER TABLE orders RENAME COLUMN announce_at TO due_at;
COMMENT ON COLUMN orders.due_at IS
  'When sweep looks at the order next. pending: it is announced again; confirmed with '
  'hold_minutes: it is cancelled; else a person is asked. Means nothing once it is closed.';
ALTER TABLE orders
  -- How long a confirmed order keeps its stock without being shipped; NULL: until a person acts.
  ADD COLUMN hold_minutes integer CHECK (hold_minutes BETWEEN 1 AND 525600),
  -- Why a person has to look at the order; gone with its next move.
  ADD COLUMN attention text;
UPDATE orders SET due_at = updated_at + interval '30 days'
WHERE status IN ('backordered', 'confirmed');

DROP INDEX orders_overdue;
-- sweep: open orders whose time has come.
CREATE INDEX orders_due ON orders (due_at)
  WHERE status IN ('pending', 'backordered', 'confirmed');
-- GET /orders?attention=true: what a person has to look at.
CREATE INDEX orders_attention ON orders (position) WHERE attention IS NOT NULL;

-- Why a person has to look at an unapplied change.
ALTER TABLE inventory_changes ADD COLUMN attention text;
