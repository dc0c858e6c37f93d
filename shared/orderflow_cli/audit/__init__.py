"""The proof, from the database, that all promises hold, and the repair of what does not."""
