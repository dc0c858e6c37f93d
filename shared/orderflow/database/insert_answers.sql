-- Keeps what calls are answered, with their effects. In order of key, so that processes that get
-- the same calls wait for each other instead of deadlocking.
INSERT INTO first_answers (idempotency_key, subject, fingerprint, answer)
SELECT key, subject, fingerprint, answer
FROM json_to_recordset(CAST(:calls AS json)) AS answered (
  key text, subject text, fingerprint text, answer json
)
ORDER BY key, subject
ON CONFLICT DO NOTHING
RETURNING idempotency_key;
