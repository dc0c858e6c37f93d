"""A small HTTP/1.1 client that posts bytes over kept-alive connections, made for one origin.

The timeout is Vert.x's `RequestOptions.setTimeout`: the longest wait for a connection (a free
one of the pool or a new one) and the longest silence on it, not a deadline for the whole.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

POOL_SIZE = 100  # maxPoolSize of Knative's dispatcher
MAX_WAITING = 10_000  # requests waiting for a connection; one per partition of an ordered source
KEPT_BODY_BYTES = 1024  # a dead letter carries no more of the answer than this
# Shorter than what servers keep an idle connection for (gunicorn 2 s, uvicorn 5 s), so that a
# request does not meet a connection that is just being closed.
REUSE_WITHIN_S = 1.5
SWEEPS_PER_TIMEOUT = 20  # silence is noticed at most a twentieth of the timeout late
MIN_SWEEP_S, MAX_SWEEP_S = 0.01, 0.5


class TransportError(Exception):
    """No answer: refused, reset, closed early, silent for too long, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, header lines as they came, at most KEPT_BODY_BYTES of the body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection, carrying one request at a time."""

    def __init__(self, released: Callable[["_Connection"], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.last_byte_s = 0.0
        self.answer: asyncio.Future[Response] | None = None
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self.on_message_begin()

    def send(self, request: bytes) -> asyncio.Future[Response]:
        """Write a whole request; the future has its answer or a TransportError."""
        assert self.transport is not None
        self.last_byte_s = self._loop.time()
        self.answer = self._loop.create_future()
        self.transport.write(request)
        return self.answer

    def fail(self, reason: str) -> None:
        """End the request, if there is one, and the connection."""
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            answer.set_exception(TransportError(reason))
        if self.transport is not None:
            self.transport.abort()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        if self.transport is None or self.transport.is_closing():
            return False
        return self._loop.time() - self.last_byte_s < REUSE_WITHIN_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.last_byte_s = self._loop.time()

    def data_received(self, data: bytes) -> None:
        self.last_byte_s = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"not HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._ends_with_connection and self.answer is not None:
            self._complete()
        self.fail(str(error) if error else "closed without an answer")
        self._released(self)

    def on_message_begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._ends_with_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        framing = {name.lower() for name, _ in self._headers}
        self._ends_with_connection = framing.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, data: bytes) -> None:
        if len(self._body) < KEPT_BODY_BYTES:
            self._body = (self._body + data)[:KEPT_BODY_BYTES]

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            return  # 100 Continue and its like come before the answer
        keep = self._parser.should_keep_alive()
        self._complete()
        if not keep and self.transport is not None:
            self.transport.close()
        elif self.transport is not None:
            self._released(self)

    def _complete(self) -> None:
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            status = self._parser.get_status_code()
            answer.set_result(Response(status, self._headers, self._body))


class Client:
    """Posts to one origin over at most POOL_SIZE connections."""

    def __init__(self, url: str, *, timeout_s: float, size: int = POOL_SIZE) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.timeout_s = timeout_s
        self._size = size
        self._idle: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None

    async def post(self, request: bytes) -> Response:
        """Send the bytes of a whole request and return its answer; raises TransportError."""
        connection = self._reusable() or await self._connect()
        answer = connection.send(request)
        if self._sweeper is None:
            self._sweep_later()
        try:
            return await answer
        finally:
            if not answer.done() or answer.cancelled():
                connection.fail("cancelled")

    def close(self) -> None:
        """Drop all connections; requests under way fail."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.fail("client closed")

    def _reusable(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.fail("idle")
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await self._free_slot()
                return connection or await self._new_connection()
        except TimeoutError as error:
            raise TransportError(f"no connection within {self.timeout_s} s") from error
        except OSError as error:
            raise TransportError(str(error)) from error

    async def _free_slot(self) -> _Connection | None:
        while len(self._open) + self._connecting >= self._size:
            if len(self._waiting) >= MAX_WAITING:
                raise TransportError("too many requests wait for a connection")
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            if connection := self._reusable():
                return connection
        return None

    async def _new_connection(self) -> _Connection:
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._release), self.host, self.port
            )
        finally:
            self._connecting -= 1
        self._open.add(connection)
        return connection

    def _release(self, connection: _Connection) -> None:
        if connection.transport is None:
            self._open.discard(connection)
        else:
            self._idle.append(connection)
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _sweep_later(self) -> None:
        pause_s = min(max(self.timeout_s / SWEEPS_PER_TIMEOUT, MIN_SWEEP_S), MAX_SWEEP_S)
        self._sweeper = asyncio.get_running_loop().call_later(pause_s, self._sweep)

    def _sweep(self) -> None:
        silent_since_s = asyncio.get_running_loop().time() - self.timeout_s
        busy = [connection for connection in self._open if connection.answer is not None]
        for connection in busy:
            if connection.last_byte_s <= silent_since_s:
                connection.fail(f"silent for {self.timeout_s} s")
        self._sweeper = None
        if busy:
            self._sweep_later()
