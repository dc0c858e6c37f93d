"""The proof, from the database, that all promises hold; run by a person or a schedule, and kept."""
