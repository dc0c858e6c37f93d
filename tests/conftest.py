"""Real PostgreSQL and a real Kafka-protocol broker for every test that wants one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from knative_local.broker import embedded_broker
from knative_local.postgres import embedded_postgres

from orderflow.migrate import migrate


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a migrated database."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The address of a broker, as `host:port`."""
    with embedded_broker() as servers:
        yield servers
