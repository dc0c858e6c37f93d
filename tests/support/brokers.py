"""Brokers that a test has to itself: it can take one away and give it back at the same address."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM
from tempfile import TemporaryDirectory

from knative_local import broker
from knative_local.ports import free_port
from tests.support.apache_kafka.command import lay_out, server_command
from tests.support.server_process import running

OpenBroker = Callable[[], AbstractContextManager["Broker"]]


class Broker:
    """A broker and the process that it is now, if any."""

    keeps_its_log: bool  # whether what it had acknowledged is still there after a restart
    hides_aborted: bool  # whether readers of committed records are spared those of an abort

    def __init__(self, folder: Path, advertised: int | None = None) -> None:
        self.log = folder / "broker.log"
        self.port = free_port()
        self.advertised = advertised or self.port
        self.address = broker.servers(self.port)
        self._folder = folder
        self._running = ExitStack()
        self._pid: int | None = None

    def start(self) -> None:
        """Run it; returns once it answers. It may lack topics that were made before."""
        ready = partial(broker.answers_metadata, self.port)
        process = running(self._command(), ready, log_path=self.log, stop_signals=[SIGTERM])
        self._pid = self._running.enter_context(process)

    def stop(self) -> None:
        """End it, if it runs, as its operator does."""
        self._pid = None
        self._running.close()

    def kill(self) -> None:
        """End it, if it runs, as a power cut does."""
        if self._pid is not None:
            os.kill(self._pid, SIGKILL)
        self.stop()

    def _command(self) -> list[str]:
        raise NotImplementedError


class Embedded(Broker):
    """Tansu, which forgets records, topics and groups when it ends."""

    keeps_its_log = False
    hides_aborted = False

    def _command(self) -> list[str]:
        return broker.server_command(self.port, advertised=self.advertised)


class Apache(Broker):
    """Apache Kafka, which finds its log, its topics and its groups again."""

    keeps_its_log = True
    hides_aborted = True

    def __init__(self, folder: Path, advertised: int | None = None) -> None:
        super().__init__(folder, advertised)
        self._settings = lay_out(folder, self.port, self.advertised)

    def _command(self) -> list[str]:
        return server_command(self._settings)


KINDS: dict[str, type[Broker]] = {"embedded": Embedded, "apache": Apache}


@contextmanager
def empty_broker(kind: type[Broker] = Embedded) -> Iterator[str]:
    """Serve an empty broker during the block; yields its address."""
    with TemporaryDirectory() as folder:
        own = kind(Path(folder))
        own.start()
        try:
            yield own.address
        finally:
            own.kill()
