"""What the `orderflow` command does."""
