"""A shop with all that can be taken from it: its servers, the ways to them, and its processes."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGSTOP
from typing import Any, TypeVar

from orderflow.database.connection import Connection
from orderflow_cli.postgres import server as postgres
from orderflow_cli.topics import create_topics
from tests.chaos.proxy import Proxy
from tests.support.brokers import Broker
from tests.support.processes import of_group
from tests.support.server_process import embedded_postgres
from tests.support.shop import Shop, await_ready, start
from tests.support.waiting import DEADLINE_S, POLL_S

T = TypeVar("T")

ENDED_WITHIN_S = 60.0  # dispatchers finish deliveries, which take 40 s at most
SAID_LAST = 15  # lines of each log that tell why something hangs


class Site:
    """One OrderFlow that reaches its servers through proxies; all of it can be taken away.

    Only processes that were started here are signalled: those in the shop's own state file, and
    the servers.
    """

    def __init__(self, folder: Path, broker_kind: type[Broker]) -> None:
        self.to_postgres, self.to_kafka = Proxy(), Proxy()
        for name in ("broker", "shop"):
            (folder / name).mkdir()
        self.broker = broker_kind(folder / "broker", self.to_kafka.port)
        self._folder, self._data_dir = folder, folder / "postgres"
        self._postgres = ExitStack()
        self._killed: dict[str, int] = {}
        self._shop: Shop | None = None

    @property
    def shop(self) -> Shop:
        """The shop as it runs now."""
        assert self._shop is not None, "it is not open"
        return self._shop

    async def open(self) -> None:
        """Start all of it."""
        await self.to_postgres.open(self._data_dir / ".s.PGSQL.5432")
        await self.to_kafka.open(self.broker.port)
        await asyncio.gather(
            asyncio.to_thread(self.broker.start), asyncio.to_thread(self.start_postgres)
        )
        await self._open_shop(None)

    async def close(self) -> None:
        """End all of it, as its operator does; whatever of it is gone already is no trouble."""
        try:
            if self._shop is not None:
                await asyncio.to_thread(end, self._shop.process)
        finally:
            await self.to_kafka.close()
            await self.to_postgres.close()
            self.broker.stop()
            self._postgres.close()

    async def _open_shop(self, port: int | None) -> None:
        self._shop = start(
            self._folder / "shop" / "data",
            port=port,
            postgres=f"postgresql://postgres@{self.to_postgres.address}/postgres",
            kafka=self.to_kafka.address,
        )
        await asyncio.to_thread(await_ready, self._shop)

    async def kill_shop(self) -> None:
        """Kill the supervisor."""
        os.kill(self.shop.process.pid, SIGKILL)
        await asyncio.to_thread(self.shop.process.wait)

    async def reopen(self) -> None:
        """Run another supervisor on what is left, if the one before was killed here."""
        if self.shop.process.poll() == -SIGKILL:
            await self._open_shop(self.shop.port)

    def start_postgres(self) -> None:
        """Run the database on the data it has."""
        self._postgres.enter_context(embedded_postgres(self._folder))

    def crash_postgres(self, how: str) -> None:
        """End the database without a checkpoint: "at once", or as a power cut does, "killed"."""
        pid = int((self._data_dir / "postmaster.pid").read_text().split()[0])
        os.kill(pid, SIGKILL if how == "killed" else SIGQUIT)
        self._postgres.close()

    def start_broker(self) -> None:
        """Run the broker again, with the topics that it may have forgotten."""
        self.broker.start()
        create_topics(self.broker.address)

    def process(self, target: str) -> int | None:
        """A component's process, or, of `NAME worker`, the one that it has forked; if any."""
        name, _, worker = target.partition(" ")
        (master,) = (c["pid"] for c in self.shop.components() if c["name"] == name)
        if master is None or not worker:
            return master
        return next((pid for pid in of_group(master) if pid != master), None)

    def kill(self, target: str) -> bool:
        """Kill a process of the shop, if there is one now; it must come back as another."""
        pid = self.process(target)
        if pid is not None:
            self._killed[target] = pid
            os.kill(pid, SIGKILL)
        return pid is not None

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Let a component do nothing during the block."""
        group = self.process(name)
        assert group is not None, f"{name} does not run"
        os.killpg(group, SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(group, SIGCONT)

    def not_ready(self) -> list[str]:
        """Name components that are not there, and processes that were not replaced yet."""
        for target, pid in list(self._killed.items()):
            if self.process(target) not in {None, pid}:
                del self._killed[target]
        states = {f"{c['kind']} {c['name']}": c["state"] for c in self.shop.components()}
        not_there = [f"{name} is {state}" for name, state in states.items() if state != "ready"]
        return [*not_there, *(f"{target} was killed and is not back" for target in self._killed)]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """To the database, past all that stands between it and the shop."""
        with closing(Connection(postgres.url(self._data_dir))) as connection:
            yield connection

    def query(self, sql: str, **parameters: object) -> list[list[Any]]:
        """Look into the database."""
        with self.connection() as connection:
            return connection.run(sql, **parameters)

    def said_last(self) -> Iterator[str]:
        """The last lines of every log that tell more than that a call was answered."""
        for log in sorted((self._folder / "shop" / "data" / "logs").glob("*.log")):
            said = [line for line in log.read_text().splitlines() if '"level":"info"' not in line]
            yield from (f"{log.stem}: {line}" for line in said[-SAID_LAST:])


@asynccontextmanager
async def open_site(folder: Path, broker_kind: type[Broker]) -> AsyncIterator[Site]:
    """A site during the block."""
    site = Site(folder, broker_kind)
    try:
        await site.open()
        yield site
    finally:
        await site.close()


def end(process: subprocess.Popen[str]) -> None:
    """End a shop, if it runs, as its user does; failing that, kill it: its guard ends the rest."""
    try:
        if process.poll() is None:
            process.terminate()
        process.wait(ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


async def until(look: Callable[[], T | None], within_s: float = DEADLINE_S) -> T:
    """Return what `look`, in a thread, returns once that is true; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (seen := await asyncio.to_thread(look)):  # noqa: ASYNC110 (of processes)
            await asyncio.sleep(POLL_S)
    return seen
