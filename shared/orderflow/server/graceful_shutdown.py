"""Leaving well: on SIGTERM a function answers what it has taken, flushes, and only then goes.

Left to itself, uvicorn closes at once every connection that is between two requests, also when one
is just arriving on it, and its process ends without a chance to finish what no caller waits for.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from functools import cache
from types import FrameType

from uvicorn.server import Server

from orderflow.logs import logger
from orderflow.server.listeners import Listeners

# All of it together ends before the 30 s after which Kubernetes, gunicorn and the local runtime
# kill what still runs.
LAME_DUCK_S = 3.0  # callers are sent away but answered for so long, new ones too
QUIET_MARGIN_S = 0.5  # beyond the server's own limit for idle connections, which closes them
BUSY_S = 15.0  # for calls under way: above the 10 s that a statement may take
FINISH_S = 6.0  # for what is done after the last answer
POLL_S = 0.02

Finish = Callable[[], Awaitable[object]]

_finishes: list[Finish] = []


class Stop:
    """Takes the place of a server's handler of SIGTERM, and calls that when all else is done."""

    def __init__(self, server: Server) -> None:
        self.begun = False
        self._server = server
        self._listeners = Listeners(server)
        self._loop = asyncio.get_running_loop()
        self._leaving: asyncio.Task[None] | None = None
        signal.signal(signal.SIGTERM, self._asked)

    def _asked(self, number: int, _: FrameType | None) -> None:
        if not self.begun:  # a signal to the whole group comes twice: gunicorn passes its own on
            self.begun = True
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        self._leaving = self._loop.create_task(self._leave(number))

    async def _leave(self, number: int) -> None:
        state, idle_s = self._server.server_state, self._server.config.timeout_keep_alive
        try:
            await self._until(lambda: not state.connections, LAME_DUCK_S)
            await self._listeners.close()
            await self._until(lambda: not state.connections, idle_s + QUIET_MARGIN_S)
            await self._until(lambda: not state.tasks, BUSY_S)
            await self._finish()
        finally:
            self._server.handle_exit(number, None)

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(FINISH_S):
                await asyncio.gather(*(finish() for finish in _finishes))
        except TimeoutError:
            logger().warning("left unfinished", after_s=FINISH_S)

    async def _until(self, done: Callable[[], bool], within_s: float) -> None:
        deadline = self._loop.time() + within_s
        while not done() and self._loop.time() < deadline:  # noqa: ASYNC110 (only at the end)
            await asyncio.sleep(POLL_S)


@cache
def watch() -> Stop | None:
    """Be asked to stop from now on, if a uvicorn server runs this event loop."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return Stop(server) if isinstance(server, Server) else None


def stopping() -> bool:
    """Whether this process is about to leave, so that callers should go elsewhere."""
    stop = watch()
    return stop is not None and stop.begun


def on_shutdown(finish: Finish) -> None:
    """Have this awaited once the last call is answered, for at most `FINISH_S` seconds."""
    _finishes.append(finish)
