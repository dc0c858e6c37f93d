-- Says of waiting orders, whose items are locked, what they are blocked by.
UPDATE backorders SET blocked_by = found.blocked_by, blocked_quantity = found.quantity
FROM jsonb_to_recordset(CAST(:found AS jsonb)) AS found (
  position bigint, blocked_by text, quantity bigint
)
WHERE backorders.position = found.position
  AND backorders.blocked_by <> found.blocked_by;
