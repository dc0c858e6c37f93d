-- From here on things are deleted. Nothing is inserted if another archive has begun meanwhile: this
-- one would not follow it.
INSERT INTO archives (archive_id, before, folder)
SELECT :archive_id, CAST(:before AS timestamptz), :folder
WHERE (SELECT archive_id FROM archives ORDER BY position DESC LIMIT 1)
  IS NOT DISTINCT FROM CAST(:follows AS text)
ON CONFLICT DO NOTHING
RETURNING archive_id;
