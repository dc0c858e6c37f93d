"""The gateway: one port for the routes of all functions."""
