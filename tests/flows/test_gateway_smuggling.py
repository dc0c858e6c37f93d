"""No caller's bytes become another caller's request, and none keeps others from being served."""

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from knative_local.ports import LOOPBACK
from tests.flows.test_gateway_connections import KEEPS, call, gateway_to, scripted
from tests.support.waiting import eventually_async

pytestmark = pytest.mark.any_broker

OTHERS = 5  # calls that follow an attack
MANY = 20  # calls at once: fewer than a function's connections
INNOCENT_WITHIN_S = 3.0  # of a call beside slow ones; a millisecond of an idle machine
HIDDEN = b"PATCH /order/of-another HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
UPGRADE = (
    b"POST /order HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n%b\r\n"
)


class Recorder:
    """A function that notes each request's target and connection, and answers as it is told."""

    def __init__(self, answer_when: Callable[[int], bool] = lambda _: True) -> None:
        self.seen: list[tuple[int, bytes]] = []
        self._answer_when = answer_when
        self._waiting: list[asyncio.StreamWriter] = []
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each head that comes, whether its body is there or not."""
        self._connections += 1
        number = self._connections
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.seen.append((number, head.split(b" ", 2)[1]))
                self._waiting.append(writer)
                if self._answer_when(len(self.seen)):
                    while self._waiting:
                        self._waiting.pop().write(KEEPS)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes and return what is answered until the connection ends."""
    with socket.create_connection((LOOPBACK, port), 10) as caller:
        caller.sendall(request)
        received = b""
        while part := caller.recv(65536):
            received += part
    return received


async def open_gateway(recorder: Recorder) -> tuple[asyncio.Server, str]:
    """Start the function; return it and its address."""
    server = await asyncio.start_server(recorder.serve, LOOPBACK, 0)
    return server, "http://{}:{}".format(*server.sockets[0].getsockname())


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: %d\r\n" % len(HIDDEN), b"Transfer-Encoding: chunked\r\n"],
    ids=["length", "chunked"],
)
async def test_body_of_an_upgrade_is_refused_at_once_and_reaches_no_function(
    tmp_path: Path, framing: bytes
) -> None:
    recorder = Recorder()
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port:
            began_s = time.monotonic()
            refused = await asyncio.to_thread(exchange, port, UPGRADE % framing + HIDDEN)
            took_s = time.monotonic() - began_s
            statuses = [(await call(port, "GET"))[0] for _ in range(OTHERS)]

    assert refused.startswith(b"HTTP/1.1 400 ")
    assert refused.count(b"HTTP/1.1") == 1
    assert took_s < INNOCENT_WITHIN_S
    assert statuses == [200] * OTHERS
    assert {target for _, target in recorder.seen} == {b"/headers"}


async def test_upgrade_without_a_body_is_answered_and_nothing_after_it(tmp_path: Path) -> None:
    recorder = Recorder()
    upgrade = b"GET /headers HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port:
            answer = await asyncio.to_thread(exchange, port, upgrade + HIDDEN)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert recorder.seen == [(1, b"/headers")]


async def test_connection_with_half_a_request_on_it_gets_no_other(tmp_path: Path) -> None:
    recorder = Recorder(answer_when=lambda count: count > 1)
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port:
            with socket.create_connection((LOOPBACK, port)) as caller:
                length = b"Content-Length: %d\r\n\r\n" % (len(HIDDEN) + 1)
                caller.sendall(b"POST /order HTTP/1.1\r\nHost: h\r\n" + length + b"x")
                await eventually_async(lambda: recorder.seen)
            statuses = [(await call(port, "GET"))[0] for _ in range(OTHERS)]

    assert statuses == [200] * OTHERS
    assert {number for number, target in recorder.seen if target == b"/headers"} == {2}


async def test_connection_answered_before_the_request_was_sent_gets_no_other(
    tmp_path: Path,
) -> None:
    recorder = Recorder()
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port, socket.create_connection((LOOPBACK, port)) as early:
            early.sendall(b"POST /order HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx")
            assert (await asyncio.to_thread(early.recv, 65536)).startswith(b"HTTP/1.1 200 ")
            statuses = [(await call(port, "GET"))[0] for _ in range(OTHERS)]

    assert statuses == [200] * OTHERS
    assert {number for number, target in recorder.seen if target == b"/headers"} == {2}


async def test_answer_that_nobody_asked_for_is_given_to_nobody(tmp_path: Path) -> None:
    async with scripted(tmp_path, KEEPS + KEEPS, KEEPS) as (script, port):
        first, _ = await call(port, "POST")
        second, _ = await call(port, "POST")

    assert (first, second) == (200, 200)
    assert script.seen == [1, 2]


async def test_as_many_requests_reach_the_function_at_once_as_were_made(tmp_path: Path) -> None:
    recorder = Recorder(answer_when=lambda count: count >= MANY)
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port:
            answers = await asyncio.gather(*(call(port, "GET") for _ in range(MANY)))

    assert [status for status, _ in answers] == [200] * MANY


async def test_call_beside_slow_ones_does_not_wait_for_them(tmp_path: Path) -> None:
    recorder = Recorder(answer_when=lambda count: count > MANY)
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port:
            slow = [asyncio.create_task(call(port, "GET")) for _ in range(MANY)]
            await eventually_async(lambda: len(recorder.seen) == MANY)
            began_s = time.monotonic()
            status, _ = await call(port, "GET")
            took_s = time.monotonic() - began_s
            await asyncio.gather(*slow)

    assert status == 200
    assert took_s < INNOCENT_WITHIN_S


async def test_caller_who_pipelines_and_never_reads_is_cut_off(tmp_path: Path) -> None:
    one = b"GET /headers HTTP/1.1\r\nHost: h\r\n\r\n"
    recorder = Recorder()
    server, url = await open_gateway(recorder)
    async with server:
        with gateway_to(url, tmp_path) as port, socket.create_connection((LOOPBACK, port)) as rude:
            rude.settimeout(10)
            with pytest.raises(ConnectionError):
                for _ in range(1000):
                    await asyncio.to_thread(rude.sendall, one * 1000)

            assert (await call(port, "GET"))[0] == 200


async def test_caller_who_never_reads_a_long_answer_is_cut_off_in_time(tmp_path: Path) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            for _ in range(1000):
                writer.write(b"x" * 100_000)
                await writer.drain()
        except ConnectionError:
            poured.set()

    poured = asyncio.Event()
    server = await asyncio.start_server(pour, LOOPBACK, 0)
    url = "http://{}:{}".format(*server.sockets[0].getsockname())
    async with server:
        with (
            gateway_to(url, tmp_path, timeout_seconds=1) as port,
            socket.create_connection((LOOPBACK, port)) as rude,
        ):
            rude.sendall(b"GET /headers HTTP/1.1\r\nHost: h\r\n\r\n")

            await asyncio.wait_for(poured.wait(), 20)
