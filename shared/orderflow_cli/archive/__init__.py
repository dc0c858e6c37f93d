"""Archives: closed orders and applied changes as files, and what leaves the database with them."""
