-- Bytes on the disk, of which nothing else tells before it is full.
SELECT pg_database_size(current_database())::text;
