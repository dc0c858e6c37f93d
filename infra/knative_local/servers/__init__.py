"""The embedded servers: PostgreSQL and the Kafka broker."""
