"""uvicorn's HTTP protocol with the bounds that it lacks.

uvicorn neither limits the size of a head nor the time until it is there, takes any number of
pipelined requests that one read brings, holds a new connection for ever that says nothing, and
has no answer for a connection too many but the refusal of a request. It forgets the host of an
absolute target, which goes before the header's (RFC 9112, section 3.2.2).
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from knative_local.gateway.headers import MAX_HEAD_BYTES
from knative_local.gateway.problems import problem_bytes

MAX_CALLERS = 1024  # connections
MAX_TARGET_BYTES = 8 * 1024  # path and query: what RFC 9110, section 4.1 asks for, and no more
MAX_HEADERS = 100  # lines: three times a browser's, and little work for who reads them
MAX_PIPELINED = 32  # requests that wait on one connection: each is held with its head
HEAD_WITHIN_S = 75.0  # from the first byte, or from the end of the request before
LINGER_S = 2.0  # for the caller to read the last answer: closing at once could reset it

_TOO_LARGE = {
    HTTPStatus.REQUEST_URI_TOO_LONG: f"a target has at most {MAX_TARGET_BYTES} bytes",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        f"a head has at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes"
    ),
}


class BoundedProtocol(HttpToolsProtocol):
    """A caller's connection; the methods named on_* are called by the parser."""

    head_within_s = HEAD_WITHIN_S
    # Those of whom a head is awaited, for the longest time first. A process has one server.
    _idle: ClassVar[dict["BoundedProtocol", None]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it take the place of who has been idle longest if there are too many."""
        super().connection_made(transport)
        self._ending = self._in_head = False
        self._head_bytes = 0
        self._fault = HTTPStatus.BAD_REQUEST
        self._late: asyncio.TimerHandle | None = None
        self._expect_head()
        if len(self.connections) > MAX_CALLERS:
            oldest = next((caller for caller in self._idle if caller.is_idle), self)
            oldest.make_way()

    @property
    def is_idle(self) -> bool:
        """Whether the caller waits for no answer."""
        return self.cycle is None or self.cycle.response_complete

    def make_way(self) -> None:
        """End the connection; who has not asked anything yet is told."""
        if self.cycle is None:
            detail = f"{MAX_CALLERS} others are connected, and this caller has asked nothing yet"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail)
        else:
            self.connections.discard(self)
            self.transport.close()
        self._idle.pop(self, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for a head."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection is to end."""
        if self._ending:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head:
            self._head_bytes = 0
        elif self._head_bytes > MAX_HEAD_BYTES:
            fault = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(fault, _TOO_LARGE[fault])

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, once what came before it is answered."""
        cycle, detail = self.cycle, _TOO_LARGE.get(self._fault, f"not understood: {msg}")
        if self.is_idle:
            self._refuse(self._fault, detail)
        elif not cycle.more_body:
            self._ending, cycle.keep_alive = True, False
        elif cycle.response_started or self.pipeline:
            self.transport.abort()
        else:  # in the middle of a body: its function must not take it
            cycle.disconnected = True
            cycle.message_event.set()
            self._refuse(self._fault, detail)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        if self._late is None:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        """A piece of the target is there."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._stop_parsing(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of a head is there, or of what follows a chunked body."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._stop_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """A head is there."""
        self._in_head = False
        self._head_bytes = 0
        self._head_is_there()
        if not self.url.startswith(b"/"):
            self._use_host(httptools.parse_url(self.url))
        super().on_headers_complete()
        if len(self.pipeline) > MAX_PIPELINED:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """An answer is sent."""
        super().on_response_complete()
        if self._late is None and not self.transport.is_closing():
            self._expect_head()

    def _stop_parsing(self, fault: HTTPStatus) -> None:
        self._fault = fault
        raise ValueError(fault)  # ends in send_400_response

    def _use_host(self, url: Any) -> None:
        if url.host:
            host = url.host if url.port is None else url.host + b":%d" % url.port
            self.headers[:] = [header for header in self.headers if header[0] != b"host"]
            self.headers.append((b"host", host))

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self._ending = True
        self.connections.discard(self)  # it takes nobody's place while it lingers
        if self.transport.is_closing():
            return
        self.transport.write(problem_bytes(status, detail))
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _expect_head(self) -> None:
        self._idle[self] = None
        self._late = self.loop.call_later(self.head_within_s, self._head_is_late)

    def _head_is_there(self) -> None:
        self._idle.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if self.is_idle:
            self.transport.close()
