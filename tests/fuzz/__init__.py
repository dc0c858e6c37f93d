"""The running gateway is called with whatever its contract allows, and what it forbids."""
