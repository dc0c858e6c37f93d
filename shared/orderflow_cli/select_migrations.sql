-- The migrations that were applied.
SELECT name FROM migrations;
