"""What a function tells Prometheus: counted as it happens, summed over its workers at a scrape."""
