"""A KafkaSource at work, as Knative's dispatcher does it."""
