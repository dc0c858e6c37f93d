"""An HTTP/1.1 client of one origin, over kept-alive connections.

It sends the bytes it is given: Knative's header values are Latin-1, and no library lets them
through as they are. Its time limit is Knative's too: one of silence, not of the whole.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from knative_local.http_client.connection import Connection, Response, TransportError

POOL_SIZE = 100  # connections, as Knative's dispatcher has
# Of an idle connection, as the real callers keep theirs: a function that ends one sooner may do so
# just as a request is sent on it.
VERTX_KEEPS_S = 60.0  # Vert.x, in which Knative's Kafka dispatcher is written
GO_KEEPS_S = 90.0  # Go, in which queue-proxy is
MAX_WAITING = 10_000  # requests that wait for a connection: one per partition of an ordered source
SWEEPS_PER_TIMEOUT = 20  # silence is noticed at most a twentieth of the timeout late
MIN_SWEEP_S, MAX_SWEEP_S = 0.01, 0.5


class ConnectError(TransportError):
    """There is no connection, so not one byte was sent."""


class PoolFullError(ConnectError):
    """Too many requests wait for a connection already."""


class Client:
    """Requests to one origin over at most `size` connections.

    Connecting, and waiting for one of them, may take `timeout_s`, and so may each silence. An idle
    one is used again for `keep_s`.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        keep_s: float = VERTX_KEEPS_S,
        size: int = POOL_SIZE,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self._timeout_s, self._keep_s, self._max_waiting = timeout_s, keep_s, max_waiting
        self._slots = asyncio.Semaphore(size)
        self._waiting, self._closed = 0, False
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def post(self, request: bytes) -> Response:
        """Send the bytes of a whole request and return its answer; raises TransportError."""
        async with self.connection() as connection:
            return await connection.begin(request)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for one request; raises TransportError when there is none in time.

        It is kept for another request only if this one went to its end.
        """
        connection = await self._acquire()
        self._busy.add(connection)
        if self._sweeper is None:
            self._sweep_later()
        try:
            yield connection
        finally:
            self._busy.discard(connection)
            if connection.reusable:
                connection.used = True
                self._idle.append(connection)
            else:
                connection.fail("given up")
            self._slots.release()

    def close(self) -> None:
        """Drop all connections; requests under way and those that wait fail."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in [*self._idle, *self._busy]:
            connection.fail("client closed")

    async def _acquire(self) -> Connection:
        if not self._slots.locked() and (connection := self._reusable()):
            await self._slots.acquire()  # at once
            return connection
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._slot()
                try:
                    return self._reusable() or await self._connect()
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError as error:
            raise ConnectError(f"no connection within {self._timeout_s} s") from error
        except OSError as error:
            raise ConnectError(str(error)) from error

    async def _slot(self) -> None:
        if self._slots.locked() and self._waiting >= self._max_waiting:
            raise PoolFullError("too many requests wait for a connection")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def _reusable(self) -> Connection | None:
        last_used_s = asyncio.get_running_loop().time() - self._keep_s
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.last_byte_s > last_used_s:
                return connection
            connection.fail("idle")
        return None

    async def _connect(self) -> Connection:
        if self._closed:
            raise ConnectError("client closed")
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port)
        return connection

    def _sweep_later(self) -> None:
        pause_s = min(max(self._timeout_s / SWEEPS_PER_TIMEOUT, MIN_SWEEP_S), MAX_SWEEP_S)
        self._sweeper = asyncio.get_running_loop().call_later(pause_s, self._sweep)

    def _sweep(self) -> None:
        silent_since_s = asyncio.get_running_loop().time() - self._timeout_s
        for connection in [c for c in self._busy if c.last_byte_s <= silent_since_s]:
            connection.fail(f"silent for {self._timeout_s} s")
        self._sweeper = None
        if self._busy:
            self._sweep_later()
