"""Forgets what is over and old enough, a bounded number of each kind at a time."""

from functools import cache

from orderflow.config import RetentionSettings, read
from orderflow.database.connection import Connection, statement

DELETE_LETTERS = statement(__file__, "delete_letters.sql")
DELETE_REDRIVES = statement(__file__, "delete_redrives.sql")
DELETE_ATTEMPTS = statement(__file__, "delete_attempts.sql")
DELETE_ANSWERS = statement(__file__, "delete_answers.sql")
DELETE_CHANGES = statement(__file__, "delete_changes.sql")

AT_ONCE = 500  # of each kind a tick, so 50 a second: what is left goes with the next


@cache
def retention() -> RetentionSettings:
    """Return how long what is kept, read once; raises `ConfigurationError`."""
    return read(RetentionSettings, "ORDERFLOW_")


def purge(connection: Connection) -> int:
    """Forget a tick's share of what is older than the settings say; return how many rows."""
    keep = retention()
    of_age = (
        (DELETE_LETTERS, keep.keep_letters_days),
        (DELETE_REDRIVES, keep.keep_redrives_days),
        (DELETE_ATTEMPTS, keep.keep_attempts_days),
        (DELETE_ANSWERS, keep.keep_answers_days),
        (DELETE_CHANGES, keep.keep_changes_days),
    )
    return sum(len(connection.run(sql, days=days, count=AT_ONCE)) for sql, days in of_age if days)
