-- Keeps what an audit found, and forgets the oldest of those that are too many.
WITH forgotten AS (
  DELETE FROM audits
  WHERE audit_id <= (
    SELECT audit_id FROM audits
    ORDER BY audit_id DESC
    OFFSET CAST(:others AS bigint) LIMIT 1
  )
)
INSERT INTO audits (started_at, finished_at, asked_by, differences, counted, checks)
VALUES (
  clock_timestamp() - CAST(:seconds AS double precision) * interval '1 second', clock_timestamp(),
  :asked_by, CAST(:differences AS bigint), CAST(:counted AS json), CAST(:checks AS json)
)
RETURNING audit_id;
