-- Returns the name only to the runner that is to apply it.
INSERT INTO migrations (name) VALUES (:name)
ON CONFLICT (name) DO NOTHING
RETURNING name;
