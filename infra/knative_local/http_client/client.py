"""A small HTTP/1.1 client that posts bytes over kept-alive connections, made for one origin.

The timeout is Vert.x's `RequestOptions.setTimeout`: the longest wait for a connection (a free
one of the pool or a new one) and the longest silence on it, not a deadline for the whole.
"""

import asyncio
from collections import deque
from urllib.parse import urlsplit

from knative_local.http_client.connection import Connection, Response, TransportError

POOL_SIZE = 100  # maxPoolSize of Knative's dispatcher
MAX_WAITING = 10_000  # requests waiting for a connection; one per partition of an ordered source
SWEEPS_PER_TIMEOUT = 20  # silence is noticed at most a twentieth of the timeout late
MIN_SWEEP_S, MAX_SWEEP_S = 0.01, 0.5


class Client:
    """Posts to one origin over at most POOL_SIZE connections."""

    def __init__(self, url: str, *, timeout_s: float, size: int = POOL_SIZE) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.timeout_s = timeout_s
        self._size = size
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
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

    def _reusable(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.fail("idle")
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self.timeout_s):
                connection = await self._free_slot()
                return connection or await self._new_connection()
        except TimeoutError as error:
            raise TransportError(f"no connection within {self.timeout_s} s") from error
        except OSError as error:
            raise TransportError(str(error)) from error

    async def _free_slot(self) -> Connection | None:
        while len(self._open) + self._connecting >= self._size:
            if len(self._waiting) >= MAX_WAITING:
                raise TransportError("too many requests wait for a connection")
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            if connection := self._reusable():
                return connection
        return None

    async def _new_connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        self._connecting += 1
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self._release), self.host, self.port
            )
        finally:
            self._connecting -= 1
        self._open.add(connection)
        return connection

    def _release(self, connection: Connection) -> None:
        if connection.transport is None:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
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
