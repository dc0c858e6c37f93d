"""Real PostgreSQL and a real Kafka-protocol broker for every test that wants one.

`--servers=embedded` (the default) starts them from wheels. `--servers=containers` takes PostgreSQL
and Apache Kafka in containers instead; where no Docker engine runs, the embedded ones are taken
and the first lines of the run say so.

`--broker=apache` runs the tests in which a broker takes part on Apache Kafka from Maven Central,
and leaves out the others. A test takes part by asking for `broker_kind`, by whatever fixtures
between; one that is marked `any_broker` needs a broker, but what it shows is not of it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from knative_local.ports import LOOPBACK
from orderflow import config
from orderflow.database.migrate import migrate
from orderflow.metrics.workers import places
from orderflow.resources import resources
from orderflow_cli.stack import WITHOUT_TOKENS
from tests.support.brokers import KINDS, Broker, OpenBroker
from tests.support.containers import (
    KAFKA_IMAGE,
    POSTGRES_IMAGE,
    engine_answers,
    kafka_container,
    postgres_container,
)
from tests.support.scheduling import ByWhatIsShared
from tests.support.server_process import embedded_postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", choices=["embedded", "containers"], default="embedded")
    parser.addoption("--broker", choices=sorted(KINDS), default="embedded")


def pytest_configure(config: pytest.Config) -> None:
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if on_apache(config) and missing:
        needs = "a JDK of version 17 or newer, and Maven"
        raise pytest.UsageError(f"--broker=apache needs {needs}; not found: {', '.join(missing)}")


def pytest_unconfigure() -> None:
    """Close what a function opens for the life of its process, if one was loaded here."""
    if places.cache_info().currsize:
        places().close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"PostgreSQL: {postgres_told(config)}", f"broker: {broker_told(config)}"]


def postgres_told(config: pytest.Config) -> str:
    """Which database is tested with."""
    if in_containers(config):
        return f"{POSTGRES_IMAGE} in a container"
    asked = config.getoption("--servers") == "containers"
    return f"embedded, 18{' (no Docker engine answers)' if asked else ''}"


def broker_told(config: pytest.Config) -> str:
    """Which broker is tested with."""
    if on_apache(config):
        return "Apache Kafka from Maven Central, and no test in which no broker takes part"
    if in_containers(config):
        return f"{KAFKA_IMAGE} in a container"
    return "embedded, Tansu (the other one: --broker=apache)"


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is at work
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatIsShared:
    return ByWhatIsShared(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not on_apache(config):
        return
    left_out = [item for item in items if not broker_takes_part(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if broker_takes_part(item)]


def broker_takes_part(item: pytest.Item) -> bool:
    """Whether what a test shows can depend on the broker."""
    asks = "broker_kind" in getattr(item, "fixturenames", ())
    return asks and item.get_closest_marker("any_broker") is None


def on_apache(config: pytest.Config) -> bool:
    """Whether Apache Kafka from Maven Central was asked for."""
    return bool(config.getoption("--broker") == "apache")


def in_containers(config: pytest.Config) -> bool:
    """Whether containers were asked for and a Docker engine runs."""
    return config.getoption("--servers") == "containers" and engine_answers()


@pytest.fixture(scope="session")
def postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a migrated database."""
    if in_containers(request.config):
        with postgres_container() as url:
            migrate(url)
            yield url
        return
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def broker_kind(request: pytest.FixtureRequest) -> type[Broker]:
    """The kind of broker that `--broker` says, to be made with a folder of its own."""
    return KINDS[request.config.getoption("--broker")]


@pytest.fixture(scope="session")
def open_broker(broker_kind: type[Broker], tmp_path_factory: pytest.TempPathFactory) -> OpenBroker:
    """Makes a broker of the kind under test for the length of a `with` block, started and empty."""

    @contextmanager
    def opened() -> Iterator[Broker]:
        own = broker_kind(tmp_path_factory.mktemp("broker"))
        own.start()
        try:
            yield own
        finally:
            own.kill()  # asked to stop, the embedded one waits 5 s for its clients to leave

    return opened


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, open_broker: OpenBroker) -> Iterator[str]:
    """The address of a broker, as `host:port`, that no test takes away."""
    if in_containers(request.config) and not on_apache(request.config):
        with kafka_container() as address:
            yield address
        return
    with open_broker() as shared:
        yield shared.address


@pytest.fixture(scope="session")
def environment(postgres: str, broker: str) -> Iterator[None]:
    """The environment of a function, and nothing cached from another one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        patch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker)
        for name, value in {**WITHOUT_TOKENS, "HOST": LOOPBACK}.items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        resources.cache_clear()
        yield
