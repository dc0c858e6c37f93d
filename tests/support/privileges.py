"""What PostgreSQL asks of a role that runs a statement, found by running it without rights."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, combinations
from typing import Any

from pg8000 import native

from orderflow.database.address import connection_arguments

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
SETS = list(chain.from_iterable(combinations(VERBS, size) for size in range(1, len(VERBS) + 1)))
DENIED = "42501"
TIMEOUT_S = 15.0

Privilege = tuple[str, str]
"""A verb, and the table, view or sequence that it is needed on."""


@contextmanager
def connected(url: str) -> Iterator[native.Connection]:
    """A connection that tells PostgreSQL's own errors."""
    arguments = connection_arguments(url, TIMEOUT_S)
    connection = native.Connection(**arguments)
    try:
        yield connection
    finally:
        connection.close()


def needed(owner: native.Connection, sql: str) -> set[Privilege]:
    """Find the fewest privileges with which a role may run a statement. Nothing of it is kept.

    A sequence is drawn from only for a row, of which a statement without values has none.
    """
    found = {("USAGE", f"SEQUENCE {name}") for name in re.findall(r"nextval\('(\w+)'\)", sql)}
    owner.run("BEGIN")
    owner.run("CREATE ROLE probing")
    try:
        while (table := denied_as(owner, "probing", sql)) is not None:
            for verbs in SETS:
                owner.run("SAVEPOINT granted")
                owner.run(f"GRANT {', '.join(verbs)} ON {table} TO probing")
                if denied_as(owner, "probing", sql) != table:
                    found |= {(verb, table) for verb in verbs}
                    break
                owner.run("ROLLBACK TO granted")
            else:
                raise AssertionError(f"no grant on {table} is enough for {sql}")
    finally:
        owner.run("ROLLBACK")
    return found


def denied_as(owner: native.Connection, role: str, sql: str) -> str | None:
    """Run a statement as a role inside a transaction; return the table that it may not use."""
    owner.run("SAVEPOINT running")
    owner.run(f"SET LOCAL ROLE {role}")
    try:
        return denied(owner, sql)
    finally:
        owner.run("ROLLBACK TO running")


def denied(connection: native.Connection, sql: str) -> str | None:
    """Run a statement without any values; return what it may not use, or None.

    Every other refusal, as of a NULL, comes after the privileges were looked at.
    """
    names = set(re.findall(r"(?<![:\w]):([a-z_]+)", sql))
    try:
        if names:
            connection.run(sql, **dict.fromkeys(names))
        else:
            connection.execute_simple(sql)
    except native.DatabaseError as error:
        fault: dict[str, Any] = error.args[0]
        if fault["C"] == DENIED:
            return re.sub(r"^permission denied for \w+ ", "", str(fault["M"]))
    return None
