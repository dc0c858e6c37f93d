"""Leaving well: on SIGTERM a function answers what it has taken, flushes, and only then goes.

Behind Knative's queue-proxy nobody sends any more by then. Callers of a function itself do, and
uvicorn resets who is connected and not yet accepted, and closes at once each connection between two
requests, also when one is arriving on it.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from typing import Any, cast

from uvicorn.server import Server

from orderflow.logs import logger, standard_output

# All of it together ends before the 30 s after which Kubernetes, gunicorn and the local runtime
# kill what still runs.
LAME_DUCK_S = 3.0  # callers are sent away but answered for so long, new ones too
QUIET_MARGIN_S = 0.5  # beyond the server's own limit for idle connections, which closes them
BUSY_S = 15  # for calls under way: above the 10 s that a statement may take
FINISH_S = 6.0  # for what is done after the last answer
POLL_S = 0.02
ACCEPTED_AT_ONCE = 64  # a turn: some milliseconds, then those who are accepted have theirs

_finishes: list[Callable[[], Awaitable[object]]] = []


def on_shutdown(finish: Callable[[], Awaitable[object]]) -> None:
    """Have this awaited once the last call is answered, for at most `FINISH_S` seconds."""
    _finishes.append(finish)


@asynccontextmanager
async def lifespan(_: object) -> AsyncIterator[None]:
    """Await what `on_shutdown` was given when the server says that all calls are answered."""
    yield
    try:
        async with asyncio.timeout(FINISH_S):
            await asyncio.gather(*(finish() for finish in _finishes))
    except TimeoutError:
        logger().warning("left unfinished", after_s=FINISH_S)
    standard_output().flush()


class Listeners:
    """The listeners of a uvicorn server: nobody waits in one, and none is closed on anybody.

    libuv accepts one connection in each turn of its loop. Under load a turn answers hundreds of
    calls, so that callers with a new connection wait for seconds, unseen by any bound of ours.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        sockets = [listener for listening in server.servers for listener in listening.sockets]
        self._copies = [socket.socket(fileno=os.dup(listener.fileno())) for listener in sockets]
        for copy in self._copies:
            copy.setblocking(False)
            self._loop.add_reader(copy.fileno(), partial(self._accept_some, copy))

    async def close(self) -> None:
        """Close them, and serve those who are connected already."""
        for listening in self._server.servers:
            listening.close()
        for copy in self._copies:
            self._loop.remove_reader(copy.fileno())
            for accepted in drain_backlog(copy):
                await self._serve(accepted)

    def _accept_some(self, listener: socket.socket) -> None:
        with suppress(OSError):  # no more, or no more files: another turn will see
            for _ in range(ACCEPTED_AT_ONCE):
                self._loop.create_task(self._serve(listener.accept()[0]))

    async def _serve(self, accepted: socket.socket) -> None:
        # As the server makes its own protocol, which it keeps to itself.
        server = self._server
        states = {"server_state": server.server_state, "app_state": server.lifespan.state}
        made = partial(cast(Any, server.config.http_protocol_class), config=server.config, **states)
        with suppress(OSError):  # gone already
            await self._loop.connect_accepted_socket(made, accepted)


def drain_backlog(listener: socket.socket) -> list[socket.socket]:
    """Accept all connections that are there, and close the listener before there is another."""
    accepted = []
    with listener, suppress(BlockingIOError):
        while True:
            accepted.append(listener.accept()[0])
    return accepted


class GracefulStop:
    """Takes SIGTERM before the server does, and sends callers away before the server leaves."""

    def __init__(self, server: Server) -> None:
        self.leaving: asyncio.Task[None] | None = None
        self._server = server
        self._listeners = Listeners(server)
        server.config.timeout_graceful_shutdown = BUSY_S
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._begin)

    def _begin(self) -> None:
        if self.leaving is None:  # a signal to the whole group comes twice: gunicorn passes it on
            self.leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        try:
            await self._until_quiet(LAME_DUCK_S)
            await self._listeners.close()
            await self._until_quiet(self._server.config.timeout_keep_alive + QUIET_MARGIN_S)
        finally:
            self._server.handle_exit(signal.SIGTERM, None)

    async def _until_quiet(self, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while self._server.server_state.connections and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


@cache
def watch() -> GracefulStop | None:
    """Take SIGTERM from now on, if a uvicorn server runs this event loop."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return GracefulStop(server) if isinstance(server, Server) else None


def stopping() -> bool:
    """Whether this process is about to leave, so that callers should go elsewhere."""
    stop = watch()
    return stop is not None and stop.leaving is not None
