-- Locks rows of stock whose time has come to be looked at. It waits for nobody, so in any order.
SELECT item FROM stock
WHERE review_at <= now()
ORDER BY review_at
LIMIT CAST(:count AS bigint)
FOR UPDATE SKIP LOCKED;
