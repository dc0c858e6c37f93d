"""The proof, from the database, that all promises hold, and the mending of what does not."""
