"""PostgreSQL and Apache Kafka in containers, of the images that docker-compose.yml names."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from knative_local.ports import LOOPBACK, free_port

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
SERVERS: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
POSTGRES_IMAGE: str = SERVERS["postgres"]["image"]
KAFKA_IMAGE: str = SERVERS["kafka"]["image"]
KAFKA_PORT = 9092
STARTED_WITHIN_S = 60


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


@contextmanager
def postgres_container() -> Iterator[str]:
    """Run PostgreSQL during the block; yields the URL of an empty database."""
    with PostgresContainer(POSTGRES_IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def kafka_container() -> Iterator[str]:
    """Run Kafka during the block; yields its address as `host:port`."""
    port = free_port()  # known before it starts, because it tells its clients where it is
    settings = SERVERS["kafka"]["environment"]
    own = {
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "true",  # as the other brokers of the tests do
    }
    started = LogMessageWaitStrategy("Kafka Server started")
    container = DockerContainer(KAFKA_IMAGE).with_envs(**settings | own)
    container.with_bind_ports(KAFKA_PORT, port)
    container.waiting_for(started.with_startup_timeout(STARTED_WITHIN_S))
    with container:
        yield f"{LOOPBACK}:{port}"
