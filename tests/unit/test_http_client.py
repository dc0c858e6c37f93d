"""The HTTP client: framing, reuse of connections, limits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from knative_local.http_client.client import Client, ConnectError, PoolFullError
from knative_local.http_client.connection import Response, TransportError

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Peer(asyncio.Protocol):
    """Answers each request with `reply(transport)`; counts connections and requests at once."""

    connections = 0

    def __init__(self, reply: Callable[[asyncio.Transport], None]) -> None:
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        Peer.connections += 1

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"POST /")):
            self._reply(self._transport)


@asynccontextmanager
async def peer(reply: Callable[[asyncio.Transport], None]) -> AsyncIterator[str]:
    Peer.connections = 0
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Peer(reply), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def writing(answer: bytes, *, close: bool = False) -> Callable[[asyncio.Transport], None]:
    def reply(transport: asyncio.Transport) -> None:
        transport.write(answer)
        if close:
            transport.close()

    return reply


async def post(reply: Callable[[asyncio.Transport], None], timeout_s: float = 5.0) -> Response:
    async with peer(reply) as url:
        client = Client(url, timeout_s=timeout_s)
        try:
            return await client.post(REQUEST)
        finally:
            client.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", b"abc"),
    ],
)
async def test_every_framing_is_read(answer: bytes, body: bytes) -> None:
    response = await post(writing(answer, close=b"Connection: close" in answer))

    assert (response.status, response.body) == (200, body)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"nonsense\r\n\r\n"]
)
async def test_broken_answer_is_a_transport_error(answer: bytes) -> None:
    with pytest.raises(TransportError):
        await post(writing(answer, close=True))


async def test_silence_is_a_transport_error() -> None:
    with pytest.raises(TransportError, match="silent"):
        await post(writing(b""), timeout_s=0.1)


async def test_refused_connection_is_a_transport_error() -> None:
    async with peer(writing(OK)) as url:
        pass

    with pytest.raises(TransportError):
        await Client(url, timeout_s=1).post(REQUEST)


async def test_trickle_of_bytes_is_no_silence() -> None:
    def reply(transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        for index in range(len(OK)):
            loop.call_later(index * 0.01, transport.write, OK[index : index + 1])

    assert (await post(reply, timeout_s=0.2)).status == 200


async def test_connection_is_reused_and_its_loss_noticed() -> None:
    answers = iter([OK, OK, OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK])
    async with peer(lambda transport: transport.write(next(answers))) as url:
        client = Client(url, timeout_s=5)
        for _ in range(4):
            await client.post(REQUEST)
        client.close()

    assert Peer.connections == 2


@pytest.mark.parametrize(("keep_s", "connections"), [(5.0, 1), (0.05, 2)])
async def test_connection_idle_for_too_long_is_not_used_again(
    keep_s: float, connections: int
) -> None:
    async with peer(writing(OK)) as url:
        client = Client(url, timeout_s=5, keep_s=keep_s)
        await client.post(REQUEST)
        await asyncio.sleep(0.1)
        await client.post(REQUEST)
        client.close()

    assert Peer.connections == connections


async def test_204_without_length_does_not_answer_the_next_request() -> None:
    answers = iter([b"HTTP/1.1 204 No Content\r\n\r\n", b""])

    def reply(transport: asyncio.Transport) -> None:
        answer = next(answers)
        transport.write(answer) if answer else transport.close()

    async with peer(reply) as url:
        client = Client(url, timeout_s=5)
        first = await client.post(REQUEST)
        with pytest.raises(TransportError):
            await client.post(REQUEST)
        client.close()

    assert first.status == 204


async def test_no_more_connections_than_the_pool_holds() -> None:
    def reply(transport: asyncio.Transport) -> None:
        asyncio.get_running_loop().call_later(0.01, transport.write, OK)

    async with peer(reply) as url:
        client = Client(url, timeout_s=5, size=3)
        answers = await asyncio.gather(*[client.post(REQUEST) for _ in range(30)])
        client.close()

    assert [answer.status for answer in answers] == [200] * 30
    assert Peer.connections == 3


async def test_waiting_for_the_pool_counts_as_connect_time() -> None:
    async with peer(writing(b"")) as url:
        client = Client(url, timeout_s=0.2, size=1)
        failures = await asyncio.gather(
            *[client.post(REQUEST) for _ in range(2)], return_exceptions=True
        )
        client.close()

    assert all(isinstance(failure, TransportError) for failure in failures)


async def test_failed_connect_wakes_who_waits_for_a_connection() -> None:
    async with peer(writing(OK)) as url:
        pass
    client = Client(url, timeout_s=30, size=1)

    async with asyncio.timeout(5):
        failures = await asyncio.gather(
            *[client.post(REQUEST) for _ in range(5)], return_exceptions=True
        )

    assert [type(failure) for failure in failures] == [ConnectError] * 5


async def test_cancelled_waiter_passes_its_turn_on() -> None:
    def reply(transport: asyncio.Transport) -> None:
        asyncio.get_running_loop().call_later(0.05, transport.write, OK)

    async with peer(reply) as url:
        client = Client(url, timeout_s=30, size=1)
        first, second, third = (asyncio.create_task(client.post(REQUEST)) for _ in range(3))
        first.add_done_callback(lambda _: second.cancel())  # just as its turn comes
        async with asyncio.timeout(5):
            answers = await asyncio.gather(first, third)
        client.close()

    assert [answer.status for answer in answers] == [200, 200]
    assert second.cancelled()


async def test_more_than_may_wait_are_refused_at_once() -> None:
    async with peer(writing(b"")) as url:
        client = Client(url, timeout_s=5, size=1, max_waiting=1)
        waiting = [asyncio.create_task(client.post(REQUEST)) for _ in range(2)]
        await asyncio.sleep(0.05)

        with pytest.raises(PoolFullError):
            await client.post(REQUEST)
        client.close()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_request_not_sent_to_its_end_leaves_no_connection_for_another() -> None:
    async with peer(writing(OK)) as url:
        client = Client(url, timeout_s=5)
        async with client.connection() as connection:
            await connection.begin(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", whole=False)
        await client.post(REQUEST)
        client.close()

    assert Peer.connections == 2


async def test_streamed_answer_comes_piece_by_piece() -> None:
    def reply(transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        loop.call_later(0.05, transport.write, b"def")

    async with peer(reply) as url:
        client = Client(url, timeout_s=5)
        async with client.connection() as connection:
            await connection.begin(REQUEST, streamed=True)
            pieces = [await connection.read() for _ in range(3)]
        client.close()

    assert pieces == [b"abc", b"def", b""]
