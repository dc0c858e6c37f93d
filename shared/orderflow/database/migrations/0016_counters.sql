-- Counters kept as things happen, so that nobody counts the orders; and what else an overview asks.

-- It counts all orders, once; meanwhile nobody writes one.
SET LOCAL statement_timeout = '10min';
SET LOCAL enable_seqscan = on;

-- Buckets of a histogram, 4 to each doubling, so 19 % wide: the first ends at 1 ms, number n at
-- 2 ^ (n / 4) ms, and the last, 120, holds whatever takes longer than 10 days.
CREATE FUNCTION latency_bucket(latency interval) RETURNS smallint IMMUTABLE LANGUAGE sql
  RETURN least(
    ceil(4 / ln(2.0::double precision) * ln(greatest(date_part('epoch', latency) * 1000, 1))), 120
  );

CREATE TABLE order_deltas (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  minute timestamptz NOT NULL DEFAULT date_trunc('minute', now()),
  -- Orders that went from one status to another. They come from none when they are stored, and go
  -- to none when they are deleted.
  leaves text,
  enters text,
  -- Of orders that were decided: how long after they were placed.
  latency_bucket smallint CHECK (latency_bucket BETWEEN 0 AND 120),
  n bigint NOT NULL CHECK (n > 0)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE order_deltas IS
  'What each statement did to the number of orders, inserted by triggers on orders, so that no two '
  'writers meet in a row. sweep folds it into order_counts and order_minutes.';

CREATE TABLE order_counts (
  status text PRIMARY KEY,
  -- With what is still to be folded it is the number of orders; alone it may be anything.
  n bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE order_counts IS 'How many orders have each status, but for order_deltas.';

CREATE TABLE order_minutes (
  minute timestamptz NOT NULL,
  what text NOT NULL CHECK (what IN ('accepted', 'allocated')),
  -- As of order_deltas; 0 of what was accepted.
  latency_bucket smallint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (minute, what, latency_bucket)
) WITH (fillfactor = 70);
COMMENT ON TABLE order_minutes IS
  'How many orders were accepted and decided in each minute of the last hours, but for '
  'order_deltas. sweep writes and forgets.';

CREATE TABLE last_sweep (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE last_sweep IS 'When sweep took all of its steps last: one row.';

-- On the statement, so that it costs the same for one order and for hundreds, and whatever
-- changes orders is counted, in its own transaction: an older version's functions, an archive, a
-- person with psql.
CREATE FUNCTION count_placed_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO order_deltas (enters, n) SELECT status, count(*) FROM placed GROUP BY status;
  RETURN NULL;
END $$;
CREATE TRIGGER orders_counted_insert AFTER INSERT ON orders
  REFERENCING NEW TABLE AS placed FOR EACH STATEMENT
  EXECUTE FUNCTION count_placed_orders();

-- Both versions of an order are found by grouping: sessions have no other join than one row by row.
CREATE FUNCTION count_moved_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO order_deltas (leaves, enters, latency_bucket, n)
  SELECT leaves, enters, bucket, count(*)
  FROM (
    SELECT
      leaves, enters,
      CASE WHEN leaves = 'pending' AND enters <> 'cancelled'
        THEN latency_bucket(clock_timestamp() - placed_at)
      END AS bucket
    FROM (
      SELECT
        max(status) FILTER (WHERE NOT moved) AS leaves,
        max(status) FILTER (WHERE moved) AS enters,
        min(placed_at) AS placed_at
      FROM (
        SELECT position, status, placed_at, false AS moved FROM before
        UNION ALL
        SELECT position, status, placed_at, true FROM after
      ) AS version
      GROUP BY position
    ) AS changed
    WHERE leaves <> enters
  ) AS move
  GROUP BY leaves, enters, bucket;
  RETURN NULL;
END $$;
CREATE TRIGGER orders_counted_update AFTER UPDATE ON orders
  REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT
  EXECUTE FUNCTION count_moved_orders();

CREATE FUNCTION count_deleted_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO order_deltas (leaves, n) SELECT status, count(*) FROM deleted GROUP BY status;
  RETURN NULL;
END $$;
CREATE TRIGGER orders_counted_delete AFTER DELETE ON orders
  REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT
  EXECUTE FUNCTION count_deleted_orders();

-- They write as their owner: whoever may change orders is counted, and nobody can count otherwise.
-- Names are looked for where the tables are, and not among what a caller may have made, who may not
-- have them run for a table of his own either.
DO $$
DECLARE
  counting text;
BEGIN
  FOREACH counting IN ARRAY ARRAY['placed', 'moved', 'deleted'] LOOP
    EXECUTE format(
      'ALTER FUNCTION count_%s_orders() SECURITY DEFINER SET search_path = %I, pg_temp',
      counting, current_schema()
    );
    EXECUTE format('REVOKE ALL ON FUNCTION count_%s_orders() FROM PUBLIC', counting);
  END LOOP;
END $$;

-- The triggers hold writers up until this commits, so nothing is counted twice or left out.
INSERT INTO order_counts SELECT status, count(*) FROM orders GROUP BY status;

ALTER TABLE stock
  -- Of fewer units available a person wants to know.
  ADD COLUMN threshold bigint CHECK (threshold >= 0);
ALTER TABLE inventory_changes
  -- Told with the change, or alone, as a difference of none; NULL leaves the item's as it is.
  ADD COLUMN threshold bigint CHECK (threshold >= 0),
  DROP CONSTRAINT inventory_changes_adjust_check,
  ADD CONSTRAINT inventory_changes_adjust_check CHECK (adjust <> 0 OR threshold IS NOT NULL);
-- GET /overview: items that may be below their threshold. Not of the figures themselves: an index
-- on these would cost each movement of stock another entry.
CREATE INDEX stock_with_threshold ON stock (item) WHERE threshold IS NOT NULL;
-- GET /overview: changes that a person has to look at, and those refused lately.
CREATE INDEX inventory_changes_attention ON inventory_changes (position)
  WHERE outcome IS NULL AND attention IS NOT NULL;
CREATE INDEX inventory_changes_refused_by_time ON inventory_changes (applied_at)
  WHERE outcome = 'refused';

-- How long ago something was, in seconds.
CREATE FUNCTION age_s(instant timestamptz) RETURNS numeric STABLE LANGUAGE sql
  RETURN round(greatest(date_part('epoch', now() - instant), 0)::numeric, 1);
