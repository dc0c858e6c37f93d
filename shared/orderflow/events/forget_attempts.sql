-- Lets events be tried as if for the first time. One id may be that of several functions' attempts.
DELETE FROM attempts
WHERE event_id = ANY(CAST(:event_ids AS text[]));
