"""The contract of the HTTP API and of the events, as documents made from the models."""
