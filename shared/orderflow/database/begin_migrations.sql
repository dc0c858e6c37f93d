-- One runner at a time; the number is this project's own and means nothing.
SELECT pg_advisory_xact_lock(4177001);
CREATE TABLE IF NOT EXISTS migrations (
  name text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);
