-- What every session of ours begins with. A batch takes milliseconds: beyond these times something
-- hangs, and a frozen function must not keep its locks. Every statement finds its few rows through
-- an index; the planner must not think a table that was small at the first execution small for
-- ever, because prepared plans outlive growth. Nor may it gather all that matches to show the first
-- of them: an item has few orders in the mean, and a million at worst. The functions' roles are
-- created with the same, for connections that a pooler made.
SET statement_timeout = '10s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '15s';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET timezone = 'UTC';
