"""The proxy does to connections what its methods say, or the faults would be none."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from knative_local.ports import LOOPBACK
from tests.chaos.proxy import Proxy

SOON_S = 0.2


@asynccontextmanager
async def echo() -> AsyncIterator[Proxy]:
    """A way to a server that sends back what it gets."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server, proxy = await asyncio.start_server(answer, LOOPBACK, 0), Proxy()
    await proxy.open(server.sockets[0].getsockname()[1])
    try:
        yield proxy
    finally:
        await proxy.close()
        server.close()


class Caller:
    """A connection through a proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def call(self, line: bytes) -> bytes:
        self._writer.write(line)
        async with asyncio.timeout(5):
            return await self._reader.readline()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()


async def test_untouched_connection_passes_both_ways() -> None:
    async with echo() as proxy, connected(proxy) as caller:
        assert await caller.call(b"hello\n") == b"hello\n"


async def test_cut_connection_is_reset_and_the_next_one_is_not() -> None:
    async with echo() as proxy, connected(proxy) as caller:
        await caller.call(b"hello\n")

        assert proxy.cut() == 1

        with pytest.raises(ConnectionResetError):
            await caller.call(b"lost\n")
        async with connected(proxy) as another:
            assert await another.call(b"again\n") == b"again\n"


async def test_slow_connection_is_late_each_way() -> None:
    async with echo() as proxy, connected(proxy) as caller:
        async with proxy.slow(SOON_S):
            began = time.monotonic()
            assert await caller.call(b"hello\n") == b"hello\n"

        assert time.monotonic() - began >= 2 * SOON_S


async def test_silent_connection_tells_what_it_kept_once_it_speaks() -> None:
    async with echo() as proxy, connected(proxy) as caller:
        async with proxy.silent():
            calling = asyncio.create_task(caller.call(b"hello\n"))
            done, _ = await asyncio.wait([calling], timeout=SOON_S)
            assert not done

        assert await calling == b"hello\n"


async def test_refused_connection_is_cut_and_there_is_no_other_until_the_end() -> None:
    async with echo() as proxy, connected(proxy) as caller:
        await caller.call(b"hello\n")

        async with proxy.refusing():
            with pytest.raises(ConnectionResetError):
                await caller.call(b"lost\n")
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(LOOPBACK, proxy.port)

        async with connected(proxy) as another:
            assert await another.call(b"again\n") == b"again\n"
