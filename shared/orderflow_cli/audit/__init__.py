"""What only a person at a terminal does with an audit: the proof of a run, and repairs."""
