-- The oversell rule sees each reservation, not only what a statement comes to.

-- stock_never_oversold_update sees an item's row once a statement: where one order is confirmed and
-- another cancelled in it, the two may cancel out. So every reservation that is entered is held
-- against the row as the whole statement leaves it: whatever is reserved must be there.
CREATE FUNCTION refuse_oversold_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  oversold record;
BEGIN
  SELECT item, on_hand, reserved INTO oversold
  FROM entered JOIN stock USING (item)
  WHERE kind = 'reserve' AND reserved > on_hand
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'oversell refused: % of % reserved, % on hand',
      oversold.reserved, oversold.item, oversold.on_hand
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_ledger_never_oversold';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER stock_ledger_never_oversold AFTER INSERT ON stock_ledger
  REFERENCING NEW TABLE AS entered FOR EACH STATEMENT
  EXECUTE FUNCTION refuse_oversold_entries();
