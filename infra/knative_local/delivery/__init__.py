"""Delivery of events: attempts, waits, dead letter sinks, clocks."""
