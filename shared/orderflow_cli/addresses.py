"""The servers a command works on: those given, else a running stack's, else the environment's."""

from pathlib import Path

from pydantic import ValidationError

from knative_local import broker
from knative_local.ports import LOOPBACK
from knative_local.supervisor.spec import Kind
from knative_local.supervisor.state_file import ComponentState, read_state
from orderflow.config import DatabaseSettings, KafkaSettings, read
from orderflow.errors import ConfigurationError, MissingSetting
from orderflow.orders.diagnosis.commands import Target
from orderflow_cli.options import DATA
from orderflow_cli.postgres import server as postgres
from orderflow_cli.roles.grants import OPERATOR
from orderflow_cli.roles.passwords import role_url


def running(data: Path) -> list[ComponentState]:
    """Return every component of the stack in this folder; none once it has ended."""
    state = read_state(data)
    return state["components"] if state["pid"] else []


def addresses(data: Path, postgres_url: str | None, kafka: str | None) -> tuple[str, str]:
    """Return the database's URL and the brokers; raises `ConfigurationError` if one is unknown."""
    both = "--postgres and --kafka" if postgres_url is kafka is None else "--postgres"
    return database_address(data, postgres_url, flags=both), kafka_address(data, kafka)


def database_address(
    data: Path, given: str | None, *, flags: str = "--postgres", role: str = OPERATOR
) -> str:
    """Return the database's URL, of a running stack that of a role with few rights.

    Raises `ConfigurationError` if none is known.
    """
    if given is not None:
        return database_url(given)
    if any(component["kind"] == "PostgreSQL" for component in running(data)):
        return role_url(postgres.url(data / "postgres"), role)
    try:
        return read(DatabaseSettings).database_url
    except MissingSetting as error:
        raise _unknown(data, flags, "DATABASE_URL") from error


def kafka_address(data: Path, given: str | None) -> str:
    """Return the brokers; raises `ConfigurationError` if none are known."""
    if given is not None:
        return kafka_servers(given)
    if port := _port(data, "Broker"):
        return broker.servers(port)
    try:
        return read(KafkaSettings).kafka_bootstrap_servers
    except MissingSetting as error:
        raise _unknown(data, "--kafka", "KAFKA_BOOTSTRAP_SERVERS") from error


def command_target(data: Path, postgres_url: str | None, gateway: str | None) -> Target:
    """Return what commands are to work on that are printed for a person."""
    port = _port(data, "Gateway")
    found = gateway or (f"http://{LOOPBACK}:{port}" if port else Target().gateway)
    if postgres_url is not None:
        return Target(found, ("--postgres", postgres_url))
    return Target(found, () if data == DATA else ("--data", str(data)))


def database_url(given: str) -> str:
    """Return what `--postgres` says; raises `ConfigurationError` if that is no PostgreSQL's URL."""
    try:
        return DatabaseSettings(database_url=given).database_url
    except ValidationError as error:
        wrong = "give --postgres as postgresql://user:password@host:port/database"
        raise ConfigurationError(wrong) from error


def kafka_servers(given: str) -> str:
    """Return what `--kafka` says; raises `ConfigurationError` if that is nothing."""
    if not given:
        raise ConfigurationError("give --kafka as host:port[,host:port...]")
    return given


def _port(data: Path, kind: Kind) -> int | None:
    ports = {component["kind"]: component["port"] for component in running(data)}
    return ports.get(kind)


def _unknown(data: Path, flags: str, variable: str) -> ConfigurationError:
    if running(data):
        return ConfigurationError(f"the stack in {data} was started with {flags}: give it here too")
    start = f"no stack runs in {data}: start it with `orderflow up`"
    return ConfigurationError(f"{start}, or give --data or {flags}, or set {variable}")
