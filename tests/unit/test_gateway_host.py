"""Whom the gateway calls by which name: a proxy before a function knows it by its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from knative_local.gateway.function import Function
from knative_local.gateway.headers import Head

ASKED = "shop.example"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve one answer a connection; yields the port and the heads that came."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heads


async def forward(url: str) -> None:
    scope: dict[str, Any] = {
        "method": "GET",
        "raw_path": b"/orders",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", ASKED.encode())],
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None: ...

    function = Function(url, timeout_s=5, concurrency=0, max_waiting=1)
    await function.forward(scope, Head(scope), receive, send)


@pytest.mark.parametrize(
    ("name", "told"), [("127.0.0.1", ASKED), ("localhost", "localhost:{port}")]
)
async def test_a_function_elsewhere_is_called_by_its_own_name(name: str, told: str) -> None:
    async with listening() as (port, heads):
        await forward(f"http://{name}:{port}")

    (head,) = heads
    assert f"\r\nhost: {told.format(port=port)}\r\n".encode() in head
    assert f"\r\nx-forwarded-host: {ASKED}\r\n".encode() in head
