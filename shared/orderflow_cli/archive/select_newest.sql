-- The newest archive, if there is one: where it is, and whether it is finished.
SELECT archive_id, folder, finished_at IS NOT NULL
FROM archives
ORDER BY position DESC
LIMIT 1;
