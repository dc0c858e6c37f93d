"""One kept-alive HTTP/1.1 connection, parsed by httptools."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

KEPT_BODY_BYTES = 1024  # a dead letter carries no more of the answer than this
# Shorter than what servers keep an idle connection for (gunicorn 2 s, uvicorn 5 s), so that a
# request does not meet a connection that is just being closed.
REUSE_WITHIN_S = 1.5


class TransportError(Exception):
    """No answer: refused, reset, closed early, silent for too long, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, header lines as they came, at most KEPT_BODY_BYTES of the body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, carrying one request at a time."""

    def __init__(self, released: Callable[["Connection"], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.last_byte_s = 0.0
        self.answer: asyncio.Future[Response] | None = None
        self._released = released
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self.on_message_begin()

    def send(self, request: bytes) -> asyncio.Future[Response]:
        """Write a whole request; the future has its answer or a TransportError."""
        assert self.transport is not None
        self.last_byte_s = self._loop.time()
        self.answer = self._loop.create_future()
        self.transport.write(request)
        return self.answer

    def fail(self, reason: str) -> None:
        """End the request, if there is one, and the connection."""
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            answer.set_exception(TransportError(reason))
        if self.transport is not None:
            self.transport.abort()

    @property
    def usable(self) -> bool:
        """Whether another request may be sent."""
        if self.transport is None or self.transport.is_closing():
            return False
        return self._loop.time() - self.last_byte_s < REUSE_WITHIN_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self.transport = cast("asyncio.Transport", transport)
        self.last_byte_s = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        self.last_byte_s = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.fail(f"not HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed: an answer without framing ends here, any other fails."""
        self.transport = None
        if self._in_body and self._ends_with_connection():
            self._complete()
        self.fail(str(error) if error else "closed without an answer")
        self._released(self)

    def on_message_begin(self) -> None:
        """The parser sees an answer begin."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has one header line."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser has all header lines."""
        self._in_body = True

    def on_body(self, data: bytes) -> None:
        """The parser has a piece of the body; what is over the limit is dropped."""
        if len(self._body) < KEPT_BODY_BYTES:
            self._body = (self._body + data)[:KEPT_BODY_BYTES]

    def on_message_complete(self) -> None:
        """The parser has the whole answer."""
        self._in_body = False
        if self._parser.get_status_code() < 200:
            return  # 100 Continue and its like come before the answer
        keep = self._parser.should_keep_alive()
        self._complete()
        if not keep and self.transport is not None:
            self.transport.close()
        elif self.transport is not None:
            self._released(self)

    def _ends_with_connection(self) -> bool:
        framing = {name.lower() for name, _ in self._headers}
        return framing.isdisjoint({b"content-length", b"transfer-encoding"})

    def _complete(self) -> None:
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            status = self._parser.get_status_code()
            answer.set_result(Response(status, self._headers, self._body))
