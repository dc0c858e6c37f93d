"""The overview in a terminal, for who has only ssh."""
