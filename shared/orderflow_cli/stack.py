"""The whole of OrderFlow on one machine: servers, functions, triggers and gateway.

What runs is what `infra/knative` says; only PostgreSQL and the broker are added, unless the user
brings their own.
"""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException
from rich.console import Console

from knative_local.manifests.loader import load_manifests
from knative_local.ports import LOOPBACK, free_port
from knative_local.runtime import Runtime
from knative_local.servers import broker, postgres
from knative_local.supervisor.spec import Command
from knative_local.supervisor.state_file import read_state
from knative_local.supervisor.supervisor import Progress, Supervisor
from orderflow.config import database_url, kafka_servers
from orderflow.database.migrate import migrate
from orderflow_cli.progress import starting
from orderflow_cli.topics import create_topics

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "infra" / "knative"

BANNER = """
OrderFlow is ready at [bold]{url}[/bold]   (Ctrl-C stops it)

  curl -X POST {url}/inventory -H 'Content-Type: application/json' \\
       -d '{{"item": "Laptop", "stock": 100}}'
  curl -X POST {url}/order -H 'Content-Type: application/json' \\
       -d '{{"order_id": "12345", "item": "Laptop", "quantity": 1}}'
  curl {url}/orders

  data and logs  {data}
  PostgreSQL     {postgres}
  Kafka          {kafka}
"""


class Stack:
    """Starts on entering, stops on leaving. `postgres` and `kafka` replace the embedded ones."""

    def __init__(
        self,
        data: Path,
        *,
        port: int = 8080,
        postgres: str | None = None,
        kafka: str | None = None,
        progress: Progress | None = None,
        show_output: bool = False,
    ) -> None:
        self._supervisor = Supervisor(data.resolve(), progress=progress, show_output=show_output)
        self._embedded_ports = free_port(), free_port()
        self._owned = postgres is None, kafka is None
        self.url = f"http://{LOOPBACK}:{port}"
        self.postgres = database_url(postgres or _postgres_url(self._embedded_ports[0]))
        self.kafka = kafka or broker.servers(self._embedded_ports[1])
        self._port = port
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self._supervisor)
        try:
            await self._start()
        except BaseException:
            await self._running.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._running.aclose()

    async def _start(self) -> None:
        runtime = Runtime(
            manifests=load_manifests([MANIFESTS]),
            paths=[MANIFESTS],
            project_root=ROOT,
            port=self._port,
            kafka=self.kafka,
            overrides={"DATABASE_URL": self.postgres, "KAFKA_BOOTSTRAP_SERVERS": self.kafka},
        )
        for stage in (self._servers(), *runtime.stages()):
            self._supervisor.add(*stage)
        await self._supervisor.start(1)
        await asyncio.to_thread(migrate, self.postgres)
        await asyncio.to_thread(create_topics, self.kafka)
        await self._supervisor.start()

    def _servers(self) -> list[Command]:
        own_postgres, own_broker = self._owned
        postgres_port, broker_port = self._embedded_ports
        commands = []
        if own_postgres:
            commands.append(postgres.postgres_command(self._supervisor.data_dir, postgres_port))
        if own_broker:
            commands.append(_with_topics(broker.broker_command(broker_port), self.kafka))
        return commands


async def serve(data: Path, console: Console, **choices: Any) -> None:
    """Run until SIGINT or SIGTERM, and tell the user where everything is."""
    serving = asyncio.create_task(_serve(data, console, choices))

    def stop() -> None:
        for number in _STOP_SIGNALS:  # a second Ctrl-C must not interrupt the stopping
            loop.add_signal_handler(number, console.print, "still stopping …")
        serving.cancel()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await serving


_STOP_SIGNALS = signal.SIGINT, signal.SIGTERM


async def _serve(data: Path, console: Console, choices: dict[str, Any]) -> None:
    async with AsyncExitStack() as until_stopped:
        with starting(console) as progress:
            stack = Stack(data, progress=progress, show_output=True, **choices)
            await until_stopped.enter_async_context(stack)
        where = {"url": stack.url, "data": data, "postgres": stack.postgres}
        # Not wrapped: a line break inside a command would break the command.
        console.print(BANNER.format(**where, kafka=stack.kafka), soft_wrap=True)
        until_stopped.callback(console.print, "stopping …")
        await asyncio.Event().wait()


def running(data: Path) -> list[dict[str, Any]]:
    """Return every component: name as in its manifest, kind, pid, port, state, restarts."""
    return [dict(component) for component in read_state(data)["components"]]


def addresses(data: Path, postgres: str | None, kafka: str | None) -> tuple[str, str]:
    """Return the database and the brokers: those given, else those that run in `data`."""
    if kafka is None and (port := _ready_ports(data).get("Broker")):
        kafka = broker.servers(port)
    return database_address(data, postgres), kafka_servers(kafka)


def database_address(data: Path, postgres: str | None) -> str:
    """Return the database given, else the one that runs in `data`."""
    if postgres is None and (port := _ready_ports(data).get("PostgreSQL")):
        postgres = _postgres_url(port)
    return database_url(postgres)


def _ready_ports(data: Path) -> dict[str, Any]:
    return {c["kind"]: c["port"] for c in running(data) if c["state"] == "ready"}


def _postgres_url(port: int) -> str:
    return postgres.url(port)


def _with_topics(command: Command, servers: str) -> Command:
    # The embedded broker forgets its topics when it restarts, so it is ready once it has them.
    asked = command.ready

    async def ready() -> bool:
        if asked is not None and not await asked():
            return False
        try:
            await asyncio.to_thread(create_topics, servers)
        except KafkaException:
            return False
        return True

    return replace(command, ready=ready)
