"""The database that a command works on."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from orderflow.database.connection import ANSWER_TIMEOUT_S, Connection, StatementFault, statement
from orderflow.database.migrate import FOLDER
from orderflow.errors import ConfigurationError

HAS_MIGRATIONS = statement(__file__, "has_migrations.sql")
SELECT_MIGRATIONS = statement(__file__, "select_migrations.sql")


@contextmanager
def open_database(url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Iterator[Connection]:
    """Yield a connection for the block.

    Raises `ConfigurationError` when it is refused or a migration is missing, `DatabaseAway` when
    the database does not answer.
    """
    with closing(Connection(url, answer_timeout_s=answer_timeout_s)) as connection:
        try:
            ((has_migrations,),) = connection.run(HAS_MIGRATIONS)
        except StatementFault as error:
            refused = "the database refuses that user, password or database name"
            raise ConfigurationError(refused) from error
        applied = connection.run(SELECT_MIGRATIONS) if has_migrations else []
        if missing := {path.stem for path in FOLDER.glob("*.sql")} - {name for (name,) in applied}:
            lacks = f"the database lacks the migrations {', '.join(sorted(missing))}"
            raise ConfigurationError(f"{lacks}: apply them with `orderflow migrate`")
        yield connection
