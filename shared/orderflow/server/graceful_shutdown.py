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
from orderflow.server.protocol import ProblemProtocol

# All of it together ends before the 30 s after which Kubernetes, gunicorn and the local runtime
# kill what still runs.
LAME_DUCK_S = 3.0  # callers are sent away but answered for so long, new ones too
# An idle connection ends by itself. A caller that ends it first never has a request on it lost:
# queue-proxy does after 90 s (Go's default), Knative's dispatcher after 60 s (Vert.x's).
KEEP_ALIVE_S = 100
LEAVING_KEEP_ALIVE_S = 2  # once stopping: who has called within it may be about to call again
QUIET_MARGIN_S = 0.5  # beyond it
BUSY_S = 15  # for calls under way: above the 10 s that a statement may take
FINISH_S = 6.0  # for what is done after the last answer
POLL_S = 0.02

_finishes: list[Callable[[], Awaitable[object]]] = []


def on_shutdown(finish: Callable[[], Awaitable[object]]) -> None:
    """Have this awaited once the last call is answered, for at most `FINISH_S` seconds."""
    _finishes.append(finish)


@asynccontextmanager
async def lifespan(app: object) -> AsyncIterator[None]:
    """Await what `on_shutdown` was given when the server says that all calls are answered."""
    if stop := watch():
        # The framework has no option for these. The last one takes away what puts a proxy's word of
        # a caller into the place of the caller's address, for which nobody here asks.
        stop.server.config.http_protocol_class = ProblemProtocol
        stop.server.config.timeout_keep_alive = KEEP_ALIVE_S
        stop.server.config.loaded_app = app
    yield
    try:
        async with asyncio.timeout(FINISH_S):
            await asyncio.gather(*(finish() for finish in _finishes))
    except TimeoutError:
        logger().warning("left unfinished", after_s=FINISH_S)
    standard_output().flush()


async def close_listeners(server: Server) -> None:
    """Close a server's listeners, and serve who is connected already: closing resets those."""
    sockets = [listener for listening in server.servers for listener in listening.sockets]
    copies = [socket.socket(fileno=os.dup(listener.fileno())) for listener in sockets]
    for listening in server.servers:
        listening.close()
    # As the server makes its own protocol, which it keeps to itself.
    states = {"server_state": server.server_state, "app_state": server.lifespan.state}
    made = partial(cast(Any, server.config.http_protocol_class), config=server.config, **states)
    for copy in copies:
        for accepted in drain_backlog(copy):
            with suppress(OSError):  # gone already
                await asyncio.get_running_loop().connect_accepted_socket(made, accepted)


def drain_backlog(listener: socket.socket) -> list[socket.socket]:
    """Accept all connections that are there, and close the listener before there is another."""
    accepted = []
    listener.setblocking(False)
    with listener, suppress(BlockingIOError):
        while True:
            accepted.append(listener.accept()[0])
    return accepted


class GracefulStop:
    """Takes SIGTERM before the server does, and sends callers away before the server leaves."""

    def __init__(self, server: Server) -> None:
        self.leaving: asyncio.Task[None] | None = None
        self.server = server
        server.config.timeout_graceful_shutdown = BUSY_S
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._begin)

    def _begin(self) -> None:
        if self.leaving is None:  # a signal to the whole group comes twice: gunicorn passes it on
            self.leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        try:
            self._end_idle_connections()
            await self._until_quiet(LAME_DUCK_S)
            await close_listeners(self.server)
            await self._until_quiet(LEAVING_KEEP_ALIVE_S + QUIET_MARGIN_S)
        finally:
            self.server.handle_exit(signal.SIGTERM, None)

    def _end_idle_connections(self) -> None:
        self.server.config.timeout_keep_alive = LEAVING_KEEP_ALIVE_S  # of those to come
        for connection in list(self.server.server_state.connections):
            if isinstance(connection, ProblemProtocol):
                connection.lower_keep_alive(LEAVING_KEEP_ALIVE_S)

    async def _until_quiet(self, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while self.server.server_state.connections and loop.time() < deadline:  # noqa: ASYNC110
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
