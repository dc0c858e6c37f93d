"""The embedded PostgreSQL: started, stopped, and kept from standing in its own way."""
