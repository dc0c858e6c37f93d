"""PostgreSQL: connection, group commit, migrations."""
