"""A TCP proxy on loopback, whose connections can be cut, slowed, kept silent and refused."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from knative_local.ports import LOOPBACK, free_port

CHUNK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST, not FIN


class Proxy:
    """Passes connections to `port` on to another port or a Unix socket, until told otherwise."""

    def __init__(self) -> None:
        self.port = free_port()
        self._to: int | Path = 0
        self._delay_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    async def open(self, to: int | Path) -> None:
        """Listen, and pass on to this port of the loopback interface, or this socket."""
        self._to = to
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def close(self) -> None:
        """Listen no more, and cut what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for pair in list(self._pairs):
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    def cut(self) -> int:
        """Reset every connection that is open now; return how many."""
        for writers in self._pairs.values():
            for writer in writers:
                _reset(writer)
        return len(self._pairs)

    @asynccontextmanager
    async def slow(self, delay_s: float) -> AsyncIterator[None]:
        """Let everything arrive so much later during the block."""
        self._delay_s = delay_s
        try:
            yield
        finally:
            self._delay_s = 0.0

    @asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Accept, and pass nothing on until the block ends."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Cut what is open, and refuse new connections during the block."""
        await self.close()
        try:
            yield
        finally:
            await self.open(self._to)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        pair = asyncio.create_task(self._join(reader, ends))
        self._pairs[pair] = ends
        pair.add_done_callback(self._pairs.pop)

    async def _join(self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]) -> None:
        writer = ends[0]
        try:
            if isinstance(self._to, Path):
                to_reader, to_writer = await asyncio.open_unix_connection(self._to)
            else:
                to_reader, to_writer = await asyncio.open_connection(LOOPBACK, self._to)
            ends.append(to_writer)
            await self._pass_both((reader, to_writer), (to_reader, writer))
        except OSError:
            _reset(writer)  # nobody listens there: the nearest thing to a refusal
        finally:
            for end in ends:
                end.close()

    async def _pass_both(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        passing = [asyncio.ensure_future(self._pass(*way)) for way in ways]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in passing:
                way.cancel()
            await asyncio.gather(*passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            writer.write(chunk)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
