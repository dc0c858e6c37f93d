-- Counts a failed attempt to process an event and returns how many there were, this one included.
INSERT INTO attempts AS counted (identity, function, event_id, last_error)
VALUES (:identity, :function, :event_id, :error)
ON CONFLICT (identity) DO UPDATE SET
  failures = counted.failures + 1,
  last_error = EXCLUDED.last_error,
  last_failed_at = now()
RETURNING failures;
