"""Callers who dribble: heads and bodies have a time within which they are there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from knative_local.gateway.protocol import BoundedProtocol
from knative_local.ports import LOOPBACK, free_port
from tests.flows.test_gateway_connections import gateway_to
from tests.support.waiting import eventually_async

pytestmark = pytest.mark.any_broker

ENDED_WITHIN_S = 10.0  # far above the limits of these tests


class Impatient(BoundedProtocol):
    """Waits less long for a head."""

    head_within_s = 0.3


async def ok(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def impatient_server() -> AsyncIterator[int]:
    """A server with that protocol; yields its port."""
    port = free_port()
    config = uvicorn.Config(
        ok, LOOPBACK, port, http=Impatient, lifespan="off", log_config=None, log_level="error"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await eventually_async(lambda: server.started)
    yield port
    server.should_exit = True
    await serving


async def dribble(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send byte after byte for as long as anyone listens."""
    for byte in content * 1000:
        if writer.is_closing():
            return
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection is over.

    A byte that was on its way when the server closed has the kernel reset the connection.
    """
    found = b""
    with suppress(ConnectionResetError):
        while more := await reader.read(65536):
            found += more
    return found


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nX: "], ids=["silent", "dribbled"])
@pytest.mark.parametrize("kept", [False, True], ids=["first", "after an answer"])
async def test_caller_whose_head_does_not_come_is_dropped(start: bytes, kept: bool) -> None:
    async with impatient_server() as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        if kept:
            writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(start)
        dribbling = asyncio.create_task(dribble(writer, b"x" if start else b""))
        async with asyncio.timeout(ENDED_WITHIN_S):
            assert await rest_of(reader) == b""
        dribbling.cancel()
        writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_caller_whose_body_does_not_come_is_told_and_dropped(
    tmp_path: Path, framing: bytes
) -> None:
    async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    async with await asyncio.start_server(read_on, LOOPBACK, 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        with gateway_to(url, tmp_path, timeout_seconds=1) as port:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"POST /order HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n")
            dribbling = asyncio.create_task(dribble(writer, b"1\r\nx\r\n"))
            async with asyncio.timeout(ENDED_WITHIN_S):
                answer = await reader.read()
            dribbling.cancel()
            writer.close()

    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("method", [b"POST /nowhere", b"GET /order"], ids=["404", "405"])
async def test_error_before_the_body_ends_the_connection(tmp_path: Path, method: bytes) -> None:
    with gateway_to(f"http://{LOOPBACK}:9", tmp_path) as port:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(method + b" HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nx")
        async with asyncio.timeout(ENDED_WITHIN_S):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 40")
    assert b"connection: close" in answer
