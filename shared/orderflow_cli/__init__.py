"""What people run: the `orderflow` command line."""
