"""Functions called in-process over ASGI, on a real database and broker."""

from collections.abc import Iterator

import pytest

from orderflow.database import Connection


@pytest.fixture(scope="session", autouse=True)
def _functions_environment(environment: None) -> None:
    """Every test of this folder runs in the environment of a function."""


@pytest.fixture(scope="session")
def database(environment: None, postgres: str) -> Iterator[Connection]:
    """A connection of the tests' own, to look behind the functions."""
    connection = Connection(postgres)
    yield connection
    connection.close()
