-- An event that is published again while its row is still there is not deleted with the first copy.

ALTER TABLE outbox
  -- Which copy of the event the row asks to be sent: 1 is its writer's; sweep numbers those that it
  -- puts here by the time. A row is deleted for the copy that Kafka has, and for no other.
  ADD COLUMN copy bigint NOT NULL DEFAULT 1;
