"""Traces by OpenTelemetry: spans of calls, of the commits that serve them, of what is published."""
