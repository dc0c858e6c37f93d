"""CloudEvents: from Kafka records to HTTP requests."""
