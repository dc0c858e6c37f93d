-- What calls with these keys were answered before.
SELECT idempotency_key, first_answers.subject, fingerprint, answer::text
FROM jsonb_to_recordset(CAST(:calls AS jsonb)) AS asked (key text, subject text)
JOIN first_answers ON idempotency_key = asked.key AND first_answers.subject = asked.subject;
