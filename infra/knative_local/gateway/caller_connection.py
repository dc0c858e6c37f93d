"""One connection from a caller to the gateway: requests in, answers out in the same order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from knative_local.gateway.exchange import BUFFER_BYTES, Exchange
from knative_local.gateway.http_heads import (
    BadRequestError,
    Head,
    check_request,
    request_head,
    split_target,
)
from knative_local.gateway.problems import problem
from knative_local.gateway.routing import NotFound, RouteTable

if TYPE_CHECKING:
    from knative_local.gateway.function_pool import FunctionPool

MAX_HEAD_BYTES = 64 * 1024  # what gunicorn and uvicorn take at most
SLICE_BYTES = 64 * 1024  # parsed at once: bounds how many pipelined requests are held
IDLE_TIMEOUT_S = 75.0  # between requests, and for a head to arrive in full
LINGER_S = 2.0  # for the caller to read the last answer before the connection is closed
# What may be sent once more when a kept connection turns out to be closed (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})


class CallerConnection(asyncio.Protocol):
    """A caller's connection; the methods named on_* are called by the parser."""

    def __init__(
        self, routes: RouteTable, pools: Mapping[str, FunctionPool], known: set[CallerConnection]
    ) -> None:
        self._routes, self._pools, self._known = routes, pools, known
        self._transport: asyncio.Transport
        self._peer = b""
        self._parser = HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()  # the first is answered, the last is read
        self._unparsed = b""
        self._paused = self._function_full = self._caller_full = self._advancing = False
        self._ending = self._draining = self._half_closed = False
        self._in_head = False
        self._head_bytes = 0
        self._quiet_since = time.monotonic()
        self.on_message_begin()
        self._in_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport and who calls."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by type
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        host = (transport.get_extra_info("peername") or ("unknown",))[0].encode()
        self._peer = b'"[%b]"' % host if b":" in host else host
        self._known.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was under way: no one is there to read it."""
        self._known.discard(self)
        self._ending = True
        for exchange in self._exchanges:
            if exchange.pool is not None:
                exchange.pool.forget(exchange)
            if exchange.function is not None:
                exchange.function.abandon()
        self._exchanges.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless requests before it still wait for their answers."""
        if self._ending:
            return
        if self._unparsed or len(data) > SLICE_BYTES or len(self._exchanges) > 1:
            self._unparsed += data
            self._parse_on()
        else:
            self._feed(data)
        self._advance()

    def eof_received(self) -> bool:
        """Answer a caller that has said all it will; keep open for that."""
        self._draining = self._half_closed = True
        return bool(self._exchanges) and self._exchanges[-1].complete

    def pause_writing(self) -> None:
        """Hold the function back: the caller does not keep up."""
        self._caller_full = True
        if self._exchanges and self._exchanges[0].function:
            self._exchanges[0].function.pause()

    def resume_writing(self) -> None:
        """Let the function go on."""
        self._caller_full = False
        if self._exchanges and self._exchanges[0].function:
            self._exchanges[0].function.resume()

    def on_message_begin(self) -> None:
        """Start on a new request."""
        self._head, self._target = Head(), b""
        self._in_head = True

    def on_url(self, part: bytes) -> None:
        """Collect the request target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; trailers are dropped (RFC 9110 section 6.5.1 allows it)."""
        if self._in_head:
            self._head.add(name, value)
            if self._head.size_bytes > MAX_HEAD_BYTES:
                raise BadRequestError("the head is too large")

    def on_headers_complete(self) -> None:
        """Decide who answers."""
        self._in_head = False
        self._head_bytes = 0
        exchange = Exchange(self)
        version = self._parser.get_http_version()
        check_request(self._head, version)
        method = self._parser.get_method()
        target, path, host = split_target(self._target)
        if host is not None:
            self._use_host(host)
        exchange.keep_alive = self._parser.should_keep_alive() and not self._draining
        exchange.version_1_0 = version == "1.0"
        exchange.head_only = method == b"HEAD"
        exchange.chunked = self._head.chunked
        # A body is not kept once it is sent, so only what has none can be sent again.
        bodiless = not exchange.chunked and self._head.length in {None, b"0"}
        exchange.repeatable = method in IDEMPOTENT and bodiless
        self._route(exchange, method, target, path)
        self._exchanges.append(exchange)

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body for whoever answers."""
        exchange = self._exchanges[-1]
        if exchange.local_answer is None:
            exchange.pieces.append(piece)
            exchange.buffered += len(piece)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._exchanges[-1].complete = True

    def answer(self, data: bytes) -> None:
        """Send bytes of the current answer."""
        self._transport.write(data)
        if self._caller_full:  # still, since the answer before this one
            self.pause_writing()

    def done(self, *, reusable: bool) -> None:
        """Go on with the next request, or end the connection."""
        if self._exchanges:
            self._exchanges.popleft()
        self._function_full = False
        self._quiet_since = time.monotonic()
        if not reusable or (self._draining and not self._exchanges):
            self._end()
            return
        self._parse_on()
        self._advance()

    def abort(self) -> None:
        """End the connection so that the caller sees that the answer is incomplete."""
        self._transport.abort()

    def pause(self) -> None:
        """Read no more of the request for now."""
        self._function_full = True
        self._throttle()

    def resume(self) -> None:
        """Read on."""
        self._function_full = False
        self.proceed()

    def proceed(self) -> None:
        """Parse and hand on what was held back."""
        self._parse_on()
        self._advance()

    def drain(self) -> None:
        """Take no further request; end as soon as those taken are answered."""
        self._draining = True
        if not self._exchanges:
            self._transport.close()

    def expire(self, now: float) -> None:
        """Close if the caller has been quiet for too long (monotonic seconds)."""
        quiet_s = now - self._quiet_since
        if self._ending and quiet_s > LINGER_S:
            self._transport.abort()
        elif not self._exchanges and quiet_s > IDLE_TIMEOUT_S:
            self._transport.close()

    def _use_host(self, host: bytes) -> None:
        self._head.kept = [h for h in self._head.kept if h[:5].lower() != b"host:"]
        self._head.kept.append(b"Host: " + host)
        self._head.host = host

    def _route(self, exchange: Exchange, method: bytes, target: bytes, path: bytes) -> None:
        found = self._routes.find(self._head.host or b"", method, path)
        if isinstance(found, NotFound):
            exchange.keep_alive = exchange.keep_alive and not self._head.expects_continue
            exchange.local_answer = _not_routed(found, exchange)
            return
        exchange.pool = self._pools[found.service]
        exchange.head = request_head(method, target, self._head, self._peer)
        if self._head.expects_continue and not self._exchanges:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _parse_on(self) -> None:
        while self._unparsed and not self._ending and not self._must_wait():
            data, self._unparsed = self._unparsed[:SLICE_BYTES], self._unparsed[SLICE_BYTES:]
            self._feed(data)
            self._advance()

    def _feed(self, data: bytes) -> None:
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:  # the request itself is whole; what follows is not HTTP
            self._exchanges[-1].keep_alive = False
            self._draining = True
        except (HttpParserError, HttpParserCallbackError, HttpParserInvalidURLError) as error:
            self._refuse(error)
        if not self._in_head:
            self._head_bytes = 0
        elif self._head_bytes > MAX_HEAD_BYTES and not self._draining:
            self._refuse(BadRequestError("the head is too large"))

    def _refuse(self, error: Exception) -> None:
        cause = error.__context__ if isinstance(error.__context__, BadRequestError) else error
        large = max(self._head_bytes, self._head.size_bytes) > MAX_HEAD_BYTES
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if large else HTTPStatus.BAD_REQUEST
        if self._exchanges and not self._exchanges[-1].complete:
            self._transport.abort()  # in the middle of a body: the function must not take it
            return
        refused = Exchange(self)
        refused.local_answer = problem(status, f"not understood: {cause}", close=True)
        refused.keep_alive = False
        self._draining = True
        self._unparsed = b""
        self._exchanges.append(refused)

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        while self._exchanges and not self._exchanges[0].started and not self._ending:
            self._exchanges[0].start()
        self._advancing = False
        if self._exchanges:
            self._exchanges[0].forward_body()
        self._throttle()

    def _must_wait(self) -> bool:
        if self._function_full or len(self._exchanges) > 1:
            return True
        return bool(self._exchanges) and self._exchanges[0].buffered > BUFFER_BYTES

    def _throttle(self) -> None:
        wait = not self._ending and (self._must_wait() or bool(self._unparsed))
        if wait != self._paused and not self._transport.is_closing():
            self._paused = wait
            if wait:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _end(self) -> None:
        """Send the end, then read and drop: closing at once could reset what was sent."""
        self._ending = True
        self._exchanges.clear()
        if self._half_closed:
            self._transport.close()
        elif not self._transport.is_closing():
            with suppress(OSError, RuntimeError):
                self._transport.write_eof()
            self._throttle()


def _not_routed(found: NotFound, exchange: Exchange) -> bytes:
    status, detail = HTTPStatus.NOT_FOUND, "no route has this path"
    if found.methods:
        status, detail = HTTPStatus.METHOD_NOT_ALLOWED, "this path has other methods"
    return problem(
        status,
        detail,
        close=not exchange.keep_alive,
        head_only=exchange.head_only,
        allow=b", ".join(sorted(found.methods)),
    )
