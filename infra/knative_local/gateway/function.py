"""Forwards requests to one function and streams its answers back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from knative_local.gateway.headers import Head, response_headers
from knative_local.gateway.problems import Problem
from knative_local.http_client.client import GO_KEEPS_S, Client, ConnectError, PoolFullError
from knative_local.http_client.connection import Connection, Response, TransportError
from knative_local.ports import LOOPBACK

MAX_CONNECTIONS = 256  # more than one Python process can make use of at once
# A function that has crashed is back in a second or two; callers are held for as long as that.
CONNECT_WITHIN_S = 5.0
CONNECT_INTERVAL_S = 0.05
QUEUE_PER_CONCURRENCY = 10  # queue-proxy's depth per unit of containerConcurrency
WATCH_AFTER_S = 1.0  # most are answered by then: only of others it is noticed that they left

# What may be sent once more when a kept connection turns out to be closed (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
AWAY = "the function is not running; nothing was sent to it"
ENDED = "the function ended before it answered; whether it did what was asked is not known"
FULL = "pending request queue full"


class Function:
    """A function at `url`, which gets at most `concurrency` (0: 256) requests at once.

    As many more wait as queue-proxy lets wait, or `max_waiting`. All of a request, its answer
    streamed to its end included, takes at most `timeout_s`. A function of another machine is behind
    a proxy that knows it by the `Host` of its URL; on this one it is told the caller's.
    """

    def __init__(self, url: str, *, timeout_s: float, concurrency: int, max_waiting: int) -> None:
        self._timeout_s = timeout_s
        parts = urlsplit(url)
        self._own_host = b"" if parts.hostname == LOOPBACK else parts.netloc.encode()
        self._client = Client(
            url,
            timeout_s=timeout_s,
            keep_s=GO_KEEPS_S,
            size=min(concurrency or MAX_CONNECTIONS, MAX_CONNECTIONS),
            max_waiting=concurrency * QUEUE_PER_CONCURRENCY if concurrency else max_waiting,
        )

    async def forward(self, scope: Scope, head: Head, receive: Receive, send: Send) -> int:
        """Answer one request and return the status, 0 to a caller who had left.

        Raises `Problem` while nothing of an answer was sent.

        It returns with the answer incomplete, which ends the caller's connection, when the
        function or its time ended in the middle of it.
        """
        head.function_host = self._own_host or head.host
        exchange = Exchange(scope, head, receive, send)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._answer(exchange)
        except TimeoutError:
            if not exchange.status:
                detail = "the function did not answer in time"
                raise Problem(HTTPStatus.GATEWAY_TIMEOUT, detail, close=True) from None
        return exchange.status

    async def _answer(self, exchange: "Exchange") -> None:
        if not await exchange.receive_start():
            return
        give_up_at = asyncio.get_running_loop().time() + CONNECT_WITHIN_S
        repeated = False
        while True:
            connection = None
            try:
                async with self._client.connection() as connection:
                    await exchange.run(connection)
                    return
            except PoolFullError as error:
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, FULL) from error
            except ConnectError as error:  # not one byte was sent, so trying again is safe
                if asyncio.get_running_loop().time() > give_up_at:
                    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, AWAY) from error
                await asyncio.sleep(CONNECT_INTERVAL_S)
            except TransportError as error:
                if exchange.status:
                    return
                stale = connection is not None and connection.used and not connection.received
                if repeated or not stale or not exchange.repeatable:
                    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, ENDED) from error
                repeated = True


class Exchange:
    """One request on its way to a function, and the answer on its way back."""

    def __init__(self, scope: Scope, head: Head, receive: Receive, send: Send) -> None:
        self._scope, self._head, self._receive, self._send = scope, head, receive, send
        self._body = b""
        self._watching: asyncio.Task[None] | None = None
        self.status = 0  # of the answer, once it begins to be passed on

    @property
    def repeatable(self) -> bool:
        """Whether the request may be sent once more: a body is not kept once it is sent."""
        return self._scope["method"] in IDEMPOTENT and not self._head.has_body

    async def receive_start(self) -> bool:
        """Take the first piece of the body, which is mostly all of it; False: the caller left."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            return False
        self._body, self._head.unread = message.get("body", b""), message.get("more_body", False)
        length = self._head.length
        if not self._head.unread and length is not None and len(self._body) != length:
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is not all there", close=True)
        return True

    async def run(self, connection: Connection) -> None:
        """Send the request on this connection and pass the answer on; raises TransportError."""
        head_only = self._scope["method"] == "HEAD"
        if self._head.unread:
            async with self._uploading(connection) as answer:
                await self._pass_on(connection, await answer, head_only=head_only)
            return
        request = self._head.encode(len(self._body)) + self._body
        answer = connection.begin(request, streamed=True, keep=not head_only)
        watch = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch, connection)
        try:
            await self._pass_on(connection, await answer, head_only=head_only)
        finally:
            watch.cancel()
            if self._watching is not None:
                self._watching.cancel()

    @asynccontextmanager
    async def _uploading(self, connection: Connection) -> "AsyncIterator[asyncio.Future[Response]]":
        length = self._head.length
        start = self._head.encode(length) + _framed(self._body, length)
        answer = connection.begin(start, whole=False, streamed=True)
        upload = asyncio.create_task(self._upload(connection, length))
        try:
            yield answer
        finally:
            upload.cancel()  # the function has answered without the rest
            with suppress(asyncio.CancelledError):
                await upload

    async def _upload(self, connection: Connection, length: int | None) -> None:
        left = None if length is None else length - len(self._body)
        while self._head.unread:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                connection.fail("the caller left")
                return
            piece, self._head.unread = message.get("body", b""), message.get("more_body", False)
            left = None if left is None else left - len(piece)
            if left is not None and (left < 0 or (left and not self._head.unread)):
                connection.fail("the body is not as long as was said")
                return
            end = b"" if self._head.unread or length is not None else b"0\r\n\r\n"
            with suppress(TransportError):  # the answer says so
                await connection.write(_framed(piece, length) + end, last=not self._head.unread)

    def _watch(self, connection: Connection) -> None:
        async def fail_when_left() -> None:
            await self._receive()
            connection.fail("the caller left")

        self._watching = asyncio.create_task(fail_when_left())

    async def _pass_on(self, connection: Connection, answer: Response, *, head_only: bool) -> None:
        headers = response_headers(answer.headers)
        has_length = any(name == b"content-length" for name, _ in headers)
        if self._scope["http_version"] == "1.0" and not head_only and not has_length:
            detail = "this answer is streamed; ask for it in HTTP/1.1"
            raise Problem(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, detail, close=True)
        # What follows on the caller's connection is not HTTP/1.1, or a body that nobody takes.
        if self._head.upgrades or self._head.unread:
            headers.append((b"connection", b"close"))
        self.status = answer.status
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        more = not head_only
        while more:
            piece = await connection.read()
            more = not connection.ended
            if more:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        last = b"" if head_only else piece
        await self._send({"type": "http.response.body", "body": last})


def _framed(piece: bytes, length: int | None) -> bytes:
    if length is not None or not piece:
        return piece
    return b"%x\r\n%b\r\n" % (len(piece), piece)
