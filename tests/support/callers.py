"""Functions as processes of their own, and callers that note what became of every call."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.spec import program
from tests.support.processes import of_group
from tests.support.shop import ROOT, reference
from tests.support.waiting import eventually

PAUSE_S = 0.02  # between the calls of one caller, so that functions find time to start and stop
ANSWER_WITHIN_S = 60.0  # far above what anything here takes on a busy machine


@dataclass
class Function:
    """One running function: functions-framework's master and its worker."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def worker(self) -> int:
        """The process id of the one that answers; 0 while there is none or more than one."""
        workers = [pid for pid in of_group(self.process.pid) if pid != self.process.pid]
        return workers[0] if len(workers) == 1 else 0

    def is_ready(self) -> bool:
        """What its readiness probe says."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False

    def ask_to_stop(self) -> None:
        """Send what Kubernetes sends."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, within_s: float = ANSWER_WITHIN_S) -> float:
        """Ask it to stop and wait for its end; return how many seconds that took."""
        started = time.monotonic()
        self.ask_to_stop()
        self.process.wait(within_s)
        return time.monotonic() - started


def start_function(
    name: str, *flags: str, source: Path | None = None, **environment: str
) -> Function:
    """Start a function as its image does, without waiting for it; ours, or that of a source."""
    port = free_port()
    argv = [program("functions-framework"), "--asgi", *flags, "--target", name]
    argv += ["--source", str(source or ROOT / "functions" / name / "main.py")]
    told = {"HOST": LOOPBACK, "PORT": str(port), "LOG_LEVEL": "warning", **environment}
    process = subprocess.Popen(argv, env=os.environ | told, start_new_session=True)
    return Function(process, port)


@contextmanager
def running_function(
    name: str, *flags: str, source: Path | None = None, **environment: str
) -> Iterator[Function]:
    """Run a function until the block ends, however that comes about."""
    function = start_function(name, *flags, source=source, **environment)
    try:
        eventually(function.is_ready)
        yield function
    finally:
        for pid in of_group(function.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        function.process.wait()


@dataclass
class Tally:
    """What became of calls: statuses of whole answers, or how they ended without one.

    `told_s` is what refused callers were told in Retry-After.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    told_s: list[float] = field(default_factory=list)

    def note(self, outcome: str, order_id: str, took_s: float) -> None:
        """Count one call."""
        self.outcomes[outcome] += 1
        self.seconds.setdefault(outcome, []).append(took_s)
        if outcome in {"200", "201"}:
            self.accepted.append(order_id)

    def percentile(self, outcome: str, percent: int) -> float:
        """Return in how many seconds so many percent of the calls of this outcome were over."""
        took = sorted(self.seconds[outcome])
        return took[min(len(took) * percent // 100, len(took) - 1)]


class Line:
    """A caller's connection. It is given up when the answer says so, as HTTP/1.1 asks."""

    def __init__(self) -> None:
        self.retry_after_s = 0.0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self, port: int) -> None:
        """Open the connection before there is anything to send."""
        self._streams = await asyncio.open_connection(LOOPBACK, port)

    @property
    def kept(self) -> bool:
        """Whether the next request goes over the same connection."""
        return self._streams is not None and not self._streams[0].at_eof()

    async def exchange(self, ports: Callable[[], int], request: bytes, *, keep: bool) -> str:
        """Send a request; return the status of its whole answer, or what came instead."""
        reused = self._streams
        if reused is None or reused[0].at_eof():
            self.close()
            try:
                self._streams = await asyncio.open_connection(LOOPBACK, ports())
            except OSError:  # refused, or reset between the server's last look and its close
                return "refused"
        assert self._streams is not None
        what = "kept" if self._streams is reused else "new"
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._answer(*self._streams, request, keep=keep)
        except TimeoutError:
            self.close()
            return f"silence on a {what} connection"
        except (asyncio.IncompleteReadError, OSError) as error:
            self.close()
            begun = isinstance(error, asyncio.IncompleteReadError) and error.partial
            return f"{'cut' if begun else 'lost'} on a {what} connection"

    async def _answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: bytes,
        *,
        keep: bool,
    ) -> str:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        fields = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
        self.retry_after_s = float(fields.get(b"retry-after", 0))
        if fields.get(b"connection") == b"close" or not keep:
            self.close()
        return head.split()[1].decode()

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def order_request(order_id: str, item: str) -> bytes:
    """Return the bytes of one POST /order."""
    body = json.dumps({"order_id": order_id, "item": item, "quantity": 1}).encode()
    head = f"POST /order HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def burst(port: int, calls: int) -> Tally:
    """Have so many callers connect, then place an order each at the same instant."""
    tally, item, lines = Tally(), reference("item"), [Line() for _ in range(calls)]
    for line in lines:
        await line.connect(port)

    async def call(line: Line) -> None:
        order_id, started = reference(), time.monotonic()
        outcome = await line.exchange(lambda: port, order_request(order_id, item), keep=False)
        tally.note(outcome, order_id, time.monotonic() - started)
        if outcome == "503":
            tally.told_s.append(line.retry_after_s)

    await asyncio.gather(*(call(line) for line in lines))
    return tally


class Load:
    """Callers that place orders one after the other, at whichever of `ports` takes them.

    Half of them keep their connection, the others open one a call. Use it as an asynchronous
    context manager: they call during the block, and finish their last call when it ends.
    """

    def __init__(self, ports: Sequence[int], *, callers: int) -> None:
        self.ports = list(ports)
        self.tally = Tally()
        self.item = reference("item")
        self._callers = callers
        self._turn = count()
        self._stopped = False
        self._calling: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Load":
        callers = range(self._callers)
        self._calling = [asyncio.create_task(self._call(keep=n % 2 == 0)) for n in callers]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await asyncio.gather(*self._calling)

    async def answered(self, calls: int) -> None:
        """Wait until so many more calls have come to an end."""
        wanted = self.tally.outcomes.total() + calls
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while self.tally.outcomes.total() < wanted:  # noqa: ASYNC110 (of many callers)
                await asyncio.sleep(0.01)

    def _port(self) -> int:
        return self.ports[next(self._turn) % len(self.ports)]

    async def _call(self, *, keep: bool) -> None:
        line = Line()
        while not self._stopped:
            order_id = reference()
            started = time.monotonic()
            request = order_request(order_id, self.item)
            outcome = await line.exchange(self._port, request, keep=keep)
            self.tally.note(outcome, order_id, time.monotonic() - started)
            await asyncio.sleep(max(PAUSE_S, line.retry_after_s))
        line.close()
