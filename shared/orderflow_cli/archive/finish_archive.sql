-- All that is in the archive is deleted.
UPDATE archives SET finished_at = now() WHERE archive_id = :archive_id;
