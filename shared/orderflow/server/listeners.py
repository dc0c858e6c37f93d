"""Listeners of a uvicorn server under load: nobody waits in one, and none is closed on anybody.

libuv accepts one connection in each turn of its loop. Under load a turn answers hundreds of calls,
so that callers with a new connection wait for seconds, unseen by any bound of ours. And closing a
listener resets who is connected and not yet accepted.
"""

import asyncio
import os
import socket
from contextlib import suppress
from functools import partial
from typing import Any, cast

from uvicorn.server import Server

ACCEPTED_AT_ONCE = 64  # a turn: some milliseconds, then those who are accepted have theirs


class Listeners:
    """The listeners of a server that runs in this event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._copies = [
            socket.socket(fileno=os.dup(listener.fileno()))
            for listening in server.servers
            for listener in listening.sockets
        ]
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
        protocol = partial(
            cast(Any, server.config.http_protocol_class),
            config=server.config,
            server_state=server.server_state,
            app_state=server.lifespan.state,
        )
        with suppress(OSError):  # gone already
            await self._loop.connect_accepted_socket(protocol, accepted)


def drain_backlog(listener: socket.socket) -> list[socket.socket]:
    """Accept all connections that are there, and close the listener before there is another."""
    accepted = []
    with listener, suppress(BlockingIOError):
        while True:
            accepted.append(listener.accept()[0])
    return accepted
