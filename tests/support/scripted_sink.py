"""The HTTP server that functions and dead letter sinks are played by, answering by script."""

import asyncio
import base64
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools

from tests.conformance.recording import Sent, body_text, comparable

Script = Callable[[str, str, str], list[dict[str, Any]]]  # case, to, record -> steps
NO_BODY = frozenset({204, 304})


@dataclass(slots=True)
class Arrival:
    """One request: when it came, when it was answered (None: not), and what it said."""

    to: str
    record: str
    at_s: float
    sent: Sent
    answered_s: float | None = None


@dataclass(slots=True)
class Sink:
    """What arrived, by case."""

    script: Script
    base: str = ""
    arrivals: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    in_flight: Counter[str] = field(default_factory=Counter)
    max_in_flight: Counter[str] = field(default_factory=Counter)
    transports: set[asyncio.Transport] = field(default_factory=set)

    def by_record(self, case: str) -> dict[str, list[Arrival]]:
        """Arrivals of a case, by record, in order."""
        found: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in list(self.arrivals[case]):
            found[arrival.record].append(arrival)
        return found

    def step(self, case: str, arrival: Arrival) -> dict[str, Any]:
        """What to do with an arrival: its step of the script, or 200 after the last one."""
        attempts = [
            a for a in self.arrivals[case] if (a.to, a.record) == (arrival.to, arrival.record)
        ]
        steps = self.script(case, arrival.to, arrival.record)
        return steps[len(attempts) - 1] if len(attempts) <= len(steps) else {"status": 200}


class _Connection(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sink.transports.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body = b"", b""
        self._headers: list[tuple[str, str]] = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1").strip()))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        _, case, to = self._url.decode().split("/")
        named = {name.lower(): value for name, value in self._headers}
        record = f"{named['ce-knativekafkapartition']}/{named['ce-knativekafkaoffset']}"
        method = self._parser.get_method().decode()
        sent = (to, method, comparable(self._headers), body_text(self._body))
        arrival = Arrival(to, record, time.monotonic(), sent)
        self._sink.arrivals[case].append(arrival)
        self._answering = asyncio.ensure_future(self._answer(case, arrival))

    async def _answer(self, case: str, arrival: Arrival) -> None:
        step, sink = self._sink.step(case, arrival), self._sink
        sink.in_flight[case] += 1
        sink.max_in_flight[case] = max(sink.max_in_flight[case], sink.in_flight[case])
        if delay_ms := step.get("delay_ms"):
            await asyncio.sleep(delay_ms / 1000)
        sink.in_flight[case] -= 1
        if step.get("close"):
            self._transport.abort()
            return
        arrival.answered_s = time.monotonic()
        self._transport.write(_response(step))


def _response(step: dict[str, Any]) -> bytes:
    status, body = step["status"], base64.b64decode(step.get("body", ""))
    if status in NO_BODY:
        body = b""
    reason = next((s.phrase for s in HTTPStatus if s == status), "Unknown")
    lines = [f"HTTP/1.1 {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in step.get("headers", {}).items()]
    if status not in NO_BODY:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def scripted_sink(script: Script, port: int = 0) -> Iterator[Sink]:
    """Serve on a port of the loopback address (0: a free one), in a thread of its own."""
    sink, loop = Sink(script), asyncio.new_event_loop()
    server = loop.run_until_complete(listen(sink, port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(_hang_up(sink))
        loop.close()


async def _hang_up(sink: Sink) -> None:
    for transport in list(sink.transports):
        transport.abort()
    answering = asyncio.all_tasks() - {cast("asyncio.Task[Any]", asyncio.current_task())}
    for task in answering:
        task.cancel()
    await asyncio.gather(*answering, return_exceptions=True)
    while sink.transports:  # noqa: ASYNC110 - gives a turn, not time
        await asyncio.sleep(0)


async def listen(sink: Sink, port: int) -> asyncio.Server:
    """Start to serve a sink in the running event loop."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(sink), "127.0.0.1", port)
    sink.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    return server
