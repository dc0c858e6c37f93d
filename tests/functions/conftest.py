"""Functions called in-process over ASGI, on a real database and broker."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from orderflow.database.connection import Connection
from tests.support.function_calls import own_database


@pytest.fixture(scope="session", autouse=True)
def _functions_environment(environment: None) -> None:
    """Every test of this folder runs in the environment of a function."""


@pytest.fixture(scope="session")
def database(environment: None, postgres: str) -> Iterator[Connection]:
    """A connection of the tests' own, to look behind the functions."""
    connection = Connection(postgres)
    yield connection
    connection.close()


@pytest.fixture
def alone(postgres: str) -> Iterator[Connection]:
    """A connection to a database that no other test has."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        yield connection


@pytest.fixture(scope="module", autouse=True)
def nothing_due(database: Connection) -> None:
    """What other files left would fill the bounded batches of sweep before a test's own comes."""
    database.script("""
      UPDATE orders SET due_at = now() + interval '1 day' WHERE status = 'pending';
      UPDATE inventory_changes SET announce_at = now() + interval '1 day' WHERE outcome IS NULL;
      UPDATE redriven_letters SET send_at = now() + interval '1 day' WHERE acknowledged_at IS NULL;
    """)
