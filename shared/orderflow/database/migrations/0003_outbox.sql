-- Events that are committed and not yet known to be on Kafka.

CREATE TABLE outbox (
  -- The columns that Debezium's outbox event router reads by default: id, aggregatetype (the
  -- topic), aggregateid (the key), type and payload. The rest can be placed as headers.
  id uuid PRIMARY KEY,
  aggregatetype text NOT NULL CHECK (aggregatetype IN ('orders', 'inventory', 'order-events')),
  aggregateid text NOT NULL,
  type text NOT NULL,
  payload json NOT NULL,
  sequence integer NOT NULL,
  source text NOT NULL,
  traceparent text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  -- From when on the relay may publish it: its writer has the first try.
  relay_at timestamptz NOT NULL DEFAULT now() + interval '5 seconds'
);
COMMENT ON TABLE outbox IS
  'Written with the state it tells of; deleted by its writer, or by sweep, once Kafka has it.';

-- sweep: what its writer did not get to Kafka, oldest first.
CREATE INDEX outbox_due ON outbox (relay_at);
-- create_order: whether the event of a repeated order is still to be sent.
CREATE INDEX outbox_by_aggregate ON outbox (aggregateid);
