-- As select_changes.sql, of one item.
SELECT position, shown::text
FROM unnest(CAST(:statuses AS text[])) AS wanted (status)
CROSS JOIN LATERAL (
  SELECT position, shown
  FROM shown_changes AS change
  WHERE (change.item, change.status, position) < (:item, wanted.status, CAST(:below AS bigint))
    AND (change.item, change.status) >= (:item, wanted.status)
  ORDER BY change.item DESC, change.status DESC, position DESC
  LIMIT CAST(:count AS bigint)
) AS newest
ORDER BY position DESC
LIMIT CAST(:count AS bigint);
