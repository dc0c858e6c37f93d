"""A PostgreSQL role for each function and one for the commands, with the rights it uses."""
