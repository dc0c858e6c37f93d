"""Real PostgreSQL and a real Kafka-protocol broker for every test that wants one.

`--servers=embedded` (the default) starts them from wheels. `--servers=containers` takes PostgreSQL
and Apache Kafka in containers instead; where no Docker engine runs, the embedded ones are taken
and the first lines of the run say so.
"""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing
from functools import cache

import docker
import pytest
from docker.errors import DockerException
from testcontainers.community.kafka import KafkaContainer
from testcontainers.community.postgres import PostgresContainer

from knative_local.broker import embedded_broker
from knative_local.postgres import embedded_postgres
from orderflow import batch, config, outbox
from orderflow.migrate import migrate

POSTGRES_IMAGE = "postgres:18"
KAFKA_IMAGE = "confluentinc/cp-kafka:8.1.0"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", choices=["embedded", "containers"], default="embedded")


def pytest_report_header(config: pytest.Config) -> str:
    if in_containers(config):
        return f"servers: {POSTGRES_IMAGE} and {KAFKA_IMAGE} in containers"
    asked = config.getoption("--servers") == "containers"
    why = " (no Docker engine answers)" if asked else ""
    return f"servers: embedded PostgreSQL 18 and Tansu broker{why}"


def in_containers(config: pytest.Config) -> bool:
    """Whether containers were asked for and a Docker engine runs."""
    return config.getoption("--servers") == "containers" and engine_answers()


@cache
def engine_answers() -> bool:
    """Whether a Docker engine runs. Its client leaves a socket behind where none does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with closing(docker.from_env(timeout=2)) as engine:
                return bool(engine.ping())
        except DockerException:
            return False
        finally:
            gc.collect()


@pytest.fixture(scope="session")
def postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database."""
    if in_containers(request.config):
        with PostgresContainer(POSTGRES_IMAGE, driver=None) as container:
            migrate(container.get_connection_url())
            yield container.get_connection_url()
        return
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker, as `host:port`."""
    if in_containers(request.config):
        with KafkaContainer(KAFKA_IMAGE) as container:
            yield container.get_bootstrap_server()
        return
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
