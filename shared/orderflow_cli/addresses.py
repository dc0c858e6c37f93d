"""The servers a command works on: those given, else a running stack's, else the environment's."""

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from knative_local import broker
from knative_local.ports import LOOPBACK
from knative_local.supervisor.spec import Kind
from knative_local.supervisor.state_file import ComponentState, read_state
from orderflow.config import CommandSettings, DatabaseSettings, KafkaSecurity, KafkaSettings, read
from orderflow.errors import ConfigurationError, MissingSetting
from orderflow.orders.diagnosis.commands import Target
from orderflow_cli.options import DATA
from orderflow_cli.postgres import server as postgres
from orderflow_cli.roles.grants import OPERATOR
from orderflow_cli.roles.passwords import role_url

SEEN_BY_ALL = (
    "every user of this machine sees a command line: give a URL with a password as "
    "ORDERFLOW_POSTGRES_URL, or in a file as --postgres @FILE"
)
MAX_URL = 4096  # characters


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
    if (own := own_database(given)) is not None:
        return own
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


def kafka_security(data: Path, given: str | None) -> dict[str, str]:
    """Return how to talk to the brokers of `kafka_address`: a stack's own ask for nothing.

    Raises `ConfigurationError`.
    """
    own = given is None and _port(data, "Broker")
    return {} if own else read(KafkaSecurity).security


def gateway_address(data: Path, given: str | None) -> str:
    """Return the gateway's URL; raises `ConfigurationError` if none is known."""
    if port := _port(data, "Gateway"):
        return given or f"http://{LOOPBACK}:{port}"
    if given is None:
        raise ConfigurationError(f"nothing runs in {data}: give --url, or --data of a stack")
    return given


def command_target(data: Path, postgres_url: str | None, gateway: str | None) -> Target:
    """Return what commands are to work on that are printed for a person."""
    port = _port(data, "Gateway")
    found = gateway or (f"http://{LOOPBACK}:{port}" if port else Target().gateway)
    if postgres_url is not None:
        return Target(found, ("--postgres", postgres_url))
    return Target(found, () if data == DATA else ("--data", str(data)))


def own_database(given: str | None) -> str | None:
    """Return the URL that `--postgres` or the environment says; None if neither does.

    Raises `ConfigurationError` if that is no PostgreSQL's URL, or others can read its password.
    """
    if given is None:
        told = read(CommandSettings, "ORDERFLOW_").postgres_url
    else:
        told = _of_file(Path(given[1:])) if given.startswith("@") else given
    if told is None:
        return None
    try:
        url = DatabaseSettings(database_url=told).database_url
    except ValidationError:  # which holds the URL
        wrong = "give --postgres as postgresql://user@host:port/database"
        raise ConfigurationError(wrong) from None
    if told is given and urlsplit(url).password is not None:
        raise ConfigurationError(SEEN_BY_ALL)
    return url


def without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    login, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login.partition(':')[0]}@{host}").geturl()


def _of_file(path: Path) -> str:
    with path.open() as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"others may read {path}: chmod 600 {path}")
        return file.read(MAX_URL).strip()


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
