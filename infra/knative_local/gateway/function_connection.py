"""One connection from the gateway to a function: a request out, its answer back, again."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from knative_local.gateway.exchange import BUFFER_BYTES, Exchange
from knative_local.gateway.http_heads import BadRequestError, Head, response_head

if TYPE_CHECKING:
    from knative_local.gateway.function_pool import FunctionPool

ENDED = "the function ended before it answered; whether it did what was asked is not known"
BROKEN = "the function's answer is not HTTP"
NO_BODY = frozenset({204, 304})  # RFC 9110 section 6.4.1; 1xx never gets this far


class FunctionConnection(asyncio.Protocol):
    """A connection to a function; the methods named on_* are called by the parser."""

    def __init__(self, pool: FunctionPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._out: list[bytes] = []
        self._idle_since = 0.0
        self._gone = self._paused = self._kept = self._answering = False
        self._fresh_parser()

    def usable(self, idle_limit_s: float) -> bool:
        """Whether a request may still be sent on it."""
        fresh = time.monotonic() - self._idle_since < idle_limit_s
        return fresh and not self._gone and not self._transport.is_closing()

    def begin(self, exchange: Exchange) -> None:
        """Send this request and pass its answer back."""
        self._exchange = exchange
        self._answering = False
        exchange.function = self
        self._transport.write(exchange.head + exchange.take_body())

    def write(self, data: bytes) -> None:
        """Send more of the request's body."""
        self._transport.write(data)

    def abandon(self) -> None:
        """Close: what the function may still say interests no one."""
        self._exchange = None
        self._transport.abort()

    def pause(self) -> None:
        """Read no more of the answer for now."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        self._idle_since = time.monotonic()

    def pause_writing(self) -> None:
        """Hold the caller back: the function does not keep up."""
        if self._exchange:
            self._exchange.caller.pause()

    def resume_writing(self) -> None:
        """Let the caller go on."""
        if self._exchange:
            self._exchange.caller.resume()

    def data_received(self, data: bytes) -> None:
        """Parse a part of the answer and pass it on in one write."""
        if self._exchange is None:  # an answer to nothing
            self._transport.abort()
            return
        self._answering = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade, BadRequestError):
            self._fail(BROKEN)
            return
        self._flush()
        if self._finished:
            self._finish(reusable=self._lasting)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer: by its rule if the end is what delimits it, otherwise as a failure."""
        self._gone = True
        if self._exchange is not None and self._until_end and exc is None:
            if self._chunk:
                self._out.append(b"0\r\n\r\n")
            self._flush()
            self._finish(reusable=False)
        elif self._exchange is not None and self._may_repeat(self._exchange):
            exchange, self._exchange = self._exchange, None
            self._pool.repeat(exchange)
        elif self._exchange is not None:
            self._fail(ENDED)
        self._pool.lost(self)

    def on_message_begin(self) -> None:
        """Start on a new answer."""
        self._head, self._reason = Head(), b""

    def on_status(self, reason: bytes) -> None:
        """Collect the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; trailers are dropped (RFC 9110 section 6.5.1 allows it)."""
        if not self._in_body:
            self._head.add(name, value)

    def on_headers_complete(self) -> None:
        """Pass the head on, unless it only announces the real one (1xx)."""
        exchange, head = self._exchange, self._head
        status = self._parser.get_status_code()
        if exchange is None or status < 200:
            return
        self._in_body = True
        self._lasting = self._parser.should_keep_alive()  # forgotten by the parser at the end
        bodiless = exchange.head_only or status in NO_BODY
        self._until_end = not bodiless and not head.chunked and head.length is None
        unsized = head.chunked or self._until_end
        self._chunk = unsized and not bodiless and not exchange.version_1_0
        if unsized and not bodiless and exchange.version_1_0:
            exchange.keep_alive = False
        self._out.append(
            response_head(
                status, self._reason, head, chunk=self._chunk, connection=_connection(exchange)
            )
        )
        exchange.answered = True
        if exchange.head_only:  # the parser would wait for the body that the head describes
            self._finished = self._spoilt = True

    def on_body(self, data: bytes) -> None:
        """Pass a piece of the body on."""
        if not self._finished:
            self._out.append(b"%x\r\n%b\r\n" % (len(data), data) if self._chunk else data)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        if self._in_body and not self._finished:
            self._finished = True
            if self._chunk:
                self._out.append(b"0\r\n\r\n")

    def _flush(self) -> None:
        if self._out and self._exchange is not None:
            self._exchange.caller.answer(b"".join(self._out))
            self._out = []

    def _finish(self, *, reusable: bool) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        exchange.function = None
        self._pool.forget(exchange)
        self._idle_since = time.monotonic()
        if reusable and exchange.complete and not self._spoilt and not self._gone:
            self._reset()
            self._kept = True
            self.resume()
            self._pool.release(self)
        else:
            self._transport.abort()
        exchange.caller.done(reusable=exchange.keep_alive and exchange.complete)

    def _may_repeat(self, exchange: Exchange) -> bool:
        # Closed before any answer: most likely the function ended a connection that was idle when
        # it looked, and never saw the request (RFC 9112 section 9.3.1).
        return self._kept and not self._answering and exchange.repeatable

    def _fail(self, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        self._transport.abort()
        if exchange is not None:
            exchange.function = None
            self._pool.forget(exchange)
            exchange.fail(HTTPStatus.SERVICE_UNAVAILABLE, detail)

    def _fresh_parser(self) -> None:
        self._parser = HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._head, self._reason = Head(), b""
        self._lasting = self._in_body = self._finished = self._until_end = self._chunk = (
            self._spoilt
        ) = False


def _connection(exchange: Exchange) -> bytes:
    if not exchange.keep_alive:
        return b"close"
    return b"keep-alive" if exchange.version_1_0 else b""
