"""`make demo`: 5,000 orders and the proof that none went wrong."""
