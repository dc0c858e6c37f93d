-- What the database holds on disk: tables, indexes, and the log that it has written so far.
SELECT json_build_object(
  'tables', sum(pg_table_size(oid)),
  'indexes', sum(pg_indexes_size(oid)),
  'log', pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')
)::text
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';
