-- A page of changes that have one of these statuses, newest first: as many as a page holds of each,
-- from its place in the index, and of those the newest. A place in the index says that it is read
-- and no other: the newest of all would be read until there are enough of one status.
SELECT position, shown::text
FROM unnest(CAST(:statuses AS text[])) AS wanted (status)
CROSS JOIN LATERAL (
  SELECT position, shown
  FROM shown_changes AS change
  WHERE (change.status, position) < (wanted.status, CAST(:below AS bigint))
    AND change.status >= wanted.status
  ORDER BY change.status DESC, position DESC
  LIMIT CAST(:count AS bigint)
) AS newest
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
