"""Orders that wait: announced again, explained, and given another start."""
