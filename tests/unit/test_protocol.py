"""The server's own connection: it knows whether a request is here as a whole."""

import asyncio
from contextlib import closing

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from knative_local.ports import LOOPBACK
from orderflow.server.protocol import BODY_IS_HERE, ProblemProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"


async def tells(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200 if the body was here when the application began, else 202."""
    status = 200 if BODY_IS_HERE in scope else 202
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})


async def statuses(*pieces: bytes) -> list[bytes]:
    """Send these pieces, each after what is before it was read, and return what was answered."""
    config, state = Config(tells, lifespan="off", log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ProblemProtocol(config, state, {}), LOOPBACK, 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        with closing(writer):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.05)  # so that it is a read of its own
            answered = await reader.read(4096)
    return [line.split()[1] for line in answered.split(b"\r\n") if line.startswith(b"HTTP/")]


async def test_body_that_came_with_its_head_is_here() -> None:
    assert await statuses(HEAD + b"abc") == [b"200"]


async def test_body_that_comes_later_is_not() -> None:
    assert await statuses(HEAD, b"a", b"bc") == [b"202"]


async def test_each_of_two_requests_at_once_has_its_own_body() -> None:
    assert await statuses(HEAD + b"abc" + HEAD + b"ab", b"c") == [b"200", b"202"]
