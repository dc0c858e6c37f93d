-- No open state without a deadline: one column says when sweep looks at an order next.

ALTER TABLE orders RENAME COLUMN announce_at TO due_at;
COMMENT ON COLUMN orders.due_at IS
  'When sweep looks at the order next. pending: it is announced again; confirmed with '
  'hold_minutes: it is cancelled; else a person is asked, once. Means nothing once it is closed.';
ALTER TABLE orders
  -- How long a confirmed order keeps its stock without being shipped; NULL: until a person acts.
  ADD COLUMN hold_minutes integer CHECK (hold_minutes BETWEEN 1 AND 525600),
  -- Why a person has to look at the order; gone with its next move.
  ADD COLUMN attention text;
UPDATE orders SET due_at = updated_at + interval '30 days'
WHERE status IN ('backordered', 'confirmed');
-- The promise itself: sweep looks at an open order at some time, or a person has been asked to.
ALTER TABLE orders ADD CONSTRAINT orders_open_have_a_deadline CHECK (
  status NOT IN ('pending', 'backordered', 'confirmed')
  OR isfinite(due_at) OR attention IS NOT NULL
);

DROP INDEX orders_overdue;
-- sweep: open orders whose time has come.
CREATE INDEX orders_due ON orders (due_at)
  WHERE status IN ('pending', 'backordered', 'confirmed');
-- GET /orders?attention=true: what a person has to look at.
CREATE INDEX orders_attention ON orders (position) WHERE attention IS NOT NULL;

ALTER TABLE inventory_changes
  -- Why a person has to look at an unapplied change.
  ADD COLUMN attention text,
  ADD CONSTRAINT inventory_changes_open_have_a_deadline CHECK (
    outcome IS NOT NULL OR isfinite(announce_at) OR attention IS NOT NULL
  );
