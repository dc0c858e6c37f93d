-- One snapshot for all checks, that takes no lock a writer waits for. The session's settings are
-- for finding a few rows through an index; here whole tables are read and joined, in one process,
-- so that writers keep the other cores, with bounded memory, and for longer than a call may take.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_bitmapscan = on;
-- A row in the order of an index is a page read: tables are read from end to end and sorted.
SET LOCAL random_page_cost = 20;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL work_mem = '64MB';
SET LOCAL statement_timeout = '300s';
-- Who asked may be gone long before the answer is there: then nobody needs it.
SET LOCAL client_connection_check_interval = '2s';
