-- What an audit repairs is an entry of the ledger like every other movement, with its reason.

ALTER TABLE stock_ledger
  ADD COLUMN reason text,
  DROP CONSTRAINT stock_ledger_kind_check,
  DROP CONSTRAINT stock_ledger_check,
  ADD CONSTRAINT stock_ledger_kind_check CHECK (
    kind IN ('count', 'adjust', 'reserve', 'release', 'ship', 'repair')
  ),
  -- A repair has no order and no change behind it, but a reason; all else has one of them.
  ADD CONSTRAINT stock_ledger_cause_check CHECK (
    CASE kind
      WHEN 'repair' THEN num_nonnulls(order_position, change_position) = 0 AND reason IS NOT NULL
      ELSE num_nonnulls(order_position, change_position) = 1
    END
  );
