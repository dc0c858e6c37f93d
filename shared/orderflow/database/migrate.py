"""Brings a database to this version's schema. Safe to run twice, and by several at once."""

from contextlib import closing
from pathlib import Path

from orderflow.database.connection import Connection, statement

MIGRATION_TIMEOUT_S = 610  # above what a migration gives itself: it may rewrite a large table
FOLDER = Path(__file__).parent / "migrations"
BEGIN_MIGRATIONS = statement(__file__, "begin_migrations.sql")
_RECORD = statement(__file__, "record_migration.sql")


def migrate(url: str) -> list[str]:
    """Apply the migrations that the database lacks, each in a transaction, in their order.

    Returns the names of those applied. Raises `DatabaseAway` when the database does not answer.
    """
    applied = []
    with closing(Connection(url, answer_timeout_s=MIGRATION_TIMEOUT_S)) as connection:
        for path in sorted(FOLDER.glob("*.sql")):
            # The lock is the transaction's, so a second runner waits and then finds the row.
            with connection.transaction():
                connection.script(BEGIN_MIGRATIONS)
                if connection.run(_RECORD, name=path.stem):
                    connection.script(path.read_text())
                    applied.append(path.stem)
    return applied
