-- Whole items are added up under their lock, so the planner may read them any way; and a repair of
-- an item with a long ledger may take longer than a call.
SET LOCAL enable_seqscan = on;
SET LOCAL enable_hashjoin = on;
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_bitmapscan = on;
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL statement_timeout = '60s';
