-- All of it is one transaction: what is killed leaves the database as empty as it was. Whole tables
-- are filled and added up, in their own time.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL statement_timeout = '1h';
SET LOCAL idle_in_transaction_session_timeout = '10min';
