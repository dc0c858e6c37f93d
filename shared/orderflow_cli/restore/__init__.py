"""Archives read back into an empty database."""
