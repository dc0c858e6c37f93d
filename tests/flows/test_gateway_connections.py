"""What the gateway makes of kept connections to functions that end them."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from knative_local.child import gateway_command
from knative_local.gateway.protocol import MAX_CALLERS
from knative_local.ports import LOOPBACK, accepts, free_port
from orderflow.server.admission import raise_open_file_limit
from tests.support.local_runtime import ROUTE, service
from tests.support.waiting import eventually

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok"
KEEPS, CLOSES = ANSWER % b"", ANSWER % b"Connection: close\r\n"
OTHERS = 200  # calls that find every place taken
ENDS = b""  # the connection ends without a byte of an answer


class Script:
    """A function that does to each request what is next; notes on which connection it came."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.seen: list[int] = []
        self._answers = iter(answers)
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection; none of them has a body of more than a byte."""
        self._connections += 1
        number = self._connections
        while head := await self._head(reader):
            self.seen.append(number)
            if b"content-length: 1" in head.lower():
                await reader.readexactly(1)
            answer = next(self._answers)
            writer.write(answer)
            if answer in {CLOSES, ENDS}:
                break
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@contextmanager
def gateway_to(url: str, folder: Path, timeout_seconds: int = 5) -> Iterator[int]:
    """The gateway with one function at this address; yields its port."""
    manifests = folder / "manifests.yaml"
    manifests.write_text(
        service(timeout_seconds=timeout_seconds) + "\n---\n" + ROUTE.format(name="echo")
    )
    port = free_port()
    command = gateway_command([manifests], {"echo": url}, host=LOOPBACK, port=port)
    with subprocess.Popen(command) as running:
        eventually(lambda: accepts(port, 0.1))
        yield port
        running.terminate()


@asynccontextmanager
async def scripted(folder: Path, *answers: bytes) -> AsyncIterator[tuple[Script, int]]:
    """A scripted function behind a gateway; yields the script and the gateway's port."""
    script = Script(answers)
    async with await asyncio.start_server(script.serve, LOOPBACK, 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        with gateway_to(url, folder) as port:
            yield script, port


async def call(port: int, method: str) -> tuple[int, bytes]:
    """Make a call on a connection of its own; return status and head."""
    body = "Content-Length: 1\r\n\r\nx" if method in {"POST", "PUT"} else "\r\n"
    path = "/order" if method in {"POST", "PUT"} else "/headers"
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: h\r\n{body}".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head


async def test_function_that_says_close_gets_no_further_request_there(tmp_path: Path) -> None:
    async with scripted(tmp_path, KEEPS, CLOSES, KEEPS) as (script, port):
        statuses = [(await call(port, "POST"))[0] for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert script.seen == [1, 1, 2]


async def test_safe_request_on_a_connection_that_ends_is_sent_once_more(tmp_path: Path) -> None:
    async with scripted(tmp_path, KEEPS, ENDS, KEEPS) as (script, port):
        statuses = [(await call(port, "GET"))[0] for _ in range(2)]

    assert statuses == [200, 200]
    assert script.seen == [1, 1, 2]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_request_that_cannot_be_sent_again_is_a_503_that_says_when(
    tmp_path: Path, method: str
) -> None:
    async with scripted(tmp_path, KEEPS, ENDS, KEEPS) as (script, port):
        await call(port, method)
        status, head = await call(port, method)

    assert status == 503
    assert b"retry-after: 1" in head.lower()
    assert script.seen == [1, 1]


async def test_who_has_been_silent_longest_makes_way_for_a_new_caller(tmp_path: Path) -> None:
    raise_open_file_limit()
    release, answers = asyncio.Event(), list[int]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(65536):
            if b"/slow" in head:
                await release.wait()
            writer.write(KEEPS)
        writer.close()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        with gateway_to(url, tmp_path, timeout_seconds=60) as port:
            busy = await asyncio.open_connection(LOOPBACK, port)
            busy[1].write(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
            silent = [await asyncio.open_connection(LOOPBACK, port) for _ in range(MAX_CALLERS)]
            dribbling = [await asyncio.open_connection(LOOPBACK, port) for _ in range(100)]
            for _, writer in dribbling:
                writer.write(b"GET /headers HTTP/1.1\r\nX")

            answers += [(await call(port, "GET"))[0] for _ in range(OTHERS)]
            told = await silent[0][0].readuntil(b"\r\n")
            release.set()
            in_time = await busy[0].readuntil(b"\r\n")
            for _, writer in (busy, *silent, *dribbling):
                writer.close()

    assert answers == [200] * OTHERS
    assert told.split()[1] == b"503"
    assert in_time.split()[1] == b"200"


async def test_no_request_is_sent_a_third_time(tmp_path: Path) -> None:
    async with scripted(tmp_path, KEEPS, ENDS, ENDS, KEEPS) as (script, port):
        await call(port, "GET")
        status, _ = await call(port, "GET")

    assert status == 503
    assert script.seen == [1, 1, 2]
