-- A dead letter says who could not take the event, and only what a source of ours can have
-- delivered is sent again.

ALTER TABLE dead_letters
  -- What the source says of itself (`kafkaconsumer`), else the host that the event was for: so no
  -- other subscriber's letter is taken for one of ours.
  ADD COLUMN consumer text;
UPDATE dead_letters SET consumer = CASE
  WHEN destination ~ '^https?://(process-order|apply-inventory)[.:/]'
    THEN substring(destination FROM '^https?://([^.:/]+)')
  ELSE coalesce(left(substring(destination FROM '^https?://([^:/]+)'), 256), 'unknown')
END;
ALTER TABLE dead_letters ALTER COLUMN consumer SET NOT NULL;

DROP INDEX dead_letters_unsendable;
ALTER TABLE dead_letters
  DROP COLUMN sendable,
  -- Whether it can be sent again: it is whole, and went from a topic that a source of ours reads to
  -- that source's function. Of our own types only that source's: no other is on its topic.
  ADD COLUMN sendable boolean NOT NULL GENERATED ALWAYS AS (
    data_bytes = length(data)
    AND CASE topic
      WHEN 'orders' THEN consumer = 'process-order'
        AND (type = 'orderflow.order.placed.v1' OR NOT starts_with(type, 'orderflow.'))
      WHEN 'inventory' THEN consumer = 'apply-inventory'
        AND (type = 'orderflow.inventory.changed.v1' OR NOT starts_with(type, 'orderflow.'))
      ELSE false
    END
  ) STORED;
-- A redrive tells how many letters it has to leave out.
CREATE INDEX dead_letters_unsendable ON dead_letters (state, last_failed_at)
  WHERE NOT sendable;
-- GET /dead-letters?consumer=
CREATE INDEX dead_letters_by_consumer ON dead_letters (consumer, state, last_failed_at, position);
