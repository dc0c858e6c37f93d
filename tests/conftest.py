"""Real PostgreSQL and a real Kafka-protocol broker for every test that wants one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from knative_local.broker import embedded_broker
from knative_local.postgres import embedded_postgres
from orderflow import batch, config, outbox
from orderflow.migrate import migrate

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # tests share modules as `tests.<folder>.<name>`
    sys.path.insert(0, ROOT)


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


@pytest.fixture(scope="session")
def environment(postgres: str, broker: str) -> Iterator[None]:
    """The environment of a function, and nothing cached from another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
        for cached in (config.settings, batch.worker, outbox.outbox):
            cached.cache_clear()
        yield
