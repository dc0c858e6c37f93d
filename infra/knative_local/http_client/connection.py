"""One kept-alive HTTP/1.1 connection to a server, parsed by httptools."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools

KEPT_BODY_BYTES = 1024  # of an answer that is not streamed: a dead letter carries no more
BUFFER_BYTES = 64 * 1024  # of a streamed body that its reader has not taken yet, each way


class TransportError(Exception):
    """No answer: refused, reset, closed early, silent for too long, or not HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, header lines as they came, and the start of a body not streamed."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, carrying one request at a time; on_* are called by the parser."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._streamed = self._sent = self._has_head = self._keep = False
        self._whole = True
        self._error = ""
        self.received = self.used = False
        self.last_byte_s = self._loop.time()

    def begin(
        self, data: bytes, *, whole: bool = True, streamed: bool = False, keep: bool = True
    ) -> "asyncio.Future[Response]":
        """Send a request, or its start unless `whole`; the future has its answer.

        A `streamed` answer is there with its head, and `read` gives the body. Without `keep` the
        connection ends with this request: nothing can be said about where its answer ends.
        """
        self._headers, self._body = [], bytearray()
        self._sent, self._streamed, self._keep = whole, streamed, keep
        self._has_head = self._whole = self.received = False
        self._answer = self._loop.create_future()
        self.last_byte_s = self._loop.time()
        if self._transport is None or self._transport.is_closing():
            self.fail("closed before the request")
        else:
            self._transport.write(data)
        return self._answer

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send more of the request, and wait while the server does not keep up."""
        if self._transport is None:
            raise TransportError(self._error)
        self._transport.write(data)
        self._sent = last
        if self._writable is not None:
            await asyncio.shield(self._writable)

    async def read(self) -> bytes:
        """Return the next piece of a streamed body, empty at its end; raises TransportError."""
        while not self._body:
            if self._whole:
                return b""
            if self._transport is None:
                raise TransportError(self._error)
            self._readable = self._loop.create_future()
            await self._readable
        piece, self._body = bytes(self._body), bytearray()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return piece

    @property
    def ended(self) -> bool:
        """Whether the whole of a streamed answer is here, read or not."""
        return self._whole

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the last one was sent and answered to its end."""
        if self._transport is None or self._transport.is_closing() or not self._keep:
            return False
        return self._sent and self._whole and not self._body

    def fail(self, reason: str) -> None:
        """End the connection, and with it the request under way."""
        self._error = self._error or reason
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TransportError(self._error))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._sent = self._keep = True

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer; without a request they would be taken for that of the next."""
        self.received = True
        self.last_byte_s = self._loop.time()
        if self._whole:
            self.fail("bytes that nobody asked for")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(f"not HTTP: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed: an answer without framing ends here, any other fails."""
        self._transport = None
        framing = {name.lower() for name, _ in self._headers}
        unframed = framing.isdisjoint({b"content-length", b"transfer-encoding"})
        if self._has_head and unframed and not self._whole and not self._error:
            self.on_message_complete()
        self.fail(str(error) if error else "closed without an answer")
        self._wake(self._readable)
        self.resume_writing()

    def pause_writing(self) -> None:
        """The server does not keep up."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again, or is gone."""
        waiting, self._writable = self._writable, None
        self._wake(waiting)

    def on_message_begin(self) -> None:
        """An answer begins; a second one belongs to no request."""
        if self._whole:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has one header line; those after the body (trailers) are dropped."""
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._parser.get_status_code() < 200:
            self._headers = []  # 100 Continue and its like come before the answer
            return
        self._has_head = True
        self._keep = self._keep and self._parser.should_keep_alive()
        if self._streamed:
            self._resolve()

    def on_body(self, data: bytes) -> None:
        """The parser has a piece of the body."""
        if self._whole:
            return
        if not self._streamed:
            self._body += data[: KEPT_BODY_BYTES - len(self._body)]
            return
        self._body += data
        if len(self._body) > BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake(self._readable)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if not self._has_head:
            return
        self._whole = True
        if not self._streamed:
            self._resolve()
            self._body.clear()
        self._wake(self._readable)

    def _resolve(self) -> None:
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            kept = b"" if self._streamed else bytes(self._body)
            self._answer.set_result(Response(status, self._headers, kept))

    def _wake(self, future: "asyncio.Future[None] | None") -> None:
        if future is not None and not future.done():
            future.set_result(None)
