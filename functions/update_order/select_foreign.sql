-- Which of these orders are not of the subjects who ask for them.
SELECT asked.order_id, asked.subject
FROM jsonb_to_recordset(CAST(:asked AS jsonb)) AS asked (order_id text, subject text)
JOIN orders ON orders.order_id = asked.order_id
WHERE placed_by <> asked.subject;
