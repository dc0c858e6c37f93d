"""Orders: the moves they may make, and why they wait."""
