"""One request and its answer on their way through the gateway."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from knative_local.gateway.problems import problem

if TYPE_CHECKING:
    from knative_local.gateway.function_connection import FunctionConnection
    from knative_local.gateway.function_pool import FunctionPool

# What the gateway holds of a body that its taker is not ready for, per direction and request.
BUFFER_BYTES = 64 * 1024


class Caller(Protocol):
    """The connection a request came from."""

    def answer(self, data: bytes) -> None:
        """Send bytes of the current answer."""

    def done(self, *, reusable: bool) -> None:
        """The current answer is complete; without `reusable` the connection must end."""

    def abort(self) -> None:
        """End the connection so that the caller sees that the answer is incomplete."""

    def proceed(self) -> None:
        """Hand on what was held back while no connection was there."""

    def pause(self) -> None:
        """Read no more of the request for now."""

    def resume(self) -> None:
        """Read on."""


class Exchange:
    """The state of one request: what is known of it, what of its body waits, who answers it."""

    __slots__ = (
        "answered", "body_ended", "buffered", "caller", "chunked", "complete", "deadline",
        "function", "head", "head_only", "keep_alive", "local_answer", "pieces", "pool",
        "repeatable", "started", "version_1_0",
    )  # fmt: skip

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.pool: FunctionPool | None = None
        self.function: FunctionConnection | None = None
        self.head = b""
        self.pieces: list[bytes] = []
        self.buffered = 0
        self.chunked = self.head_only = self.version_1_0 = False
        self.complete = self.started = self.answered = self.body_ended = self.repeatable = False
        self.keep_alive = True
        self.local_answer: bytes | None = None
        self.deadline = 0.0

    def start(self) -> None:
        """Answer at once, or hand the request to the function's pool."""
        self.started = True
        if self.local_answer is not None:
            self.caller.answer(self.local_answer)
            self.caller.done(reusable=self.keep_alive and self.complete)
        elif self.pool is not None:
            self.pool.submit(self)

    def take_body(self) -> bytes:
        """Return what waits of the body, framed for the function, and forget it."""
        pieces, self.pieces, self.buffered = self.pieces, [], 0
        if not self.chunked:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
        self.body_ended = self.complete
        return b"".join(framed) + (b"0\r\n\r\n" if self.complete else b"")

    def forward_body(self) -> None:
        """Send on what has arrived of the body, if there is someone to send it to."""
        ends = self.chunked and self.complete and not self.body_ended
        if self.function is not None and (self.pieces or ends):
            self.function.write(self.take_body())

    def fail(self, status: HTTPStatus, detail: str) -> None:
        """Answer with a problem, or break off an answer that has begun."""
        if self.answered:
            self.caller.abort()
            return
        self.answered = True
        close = not (self.keep_alive and self.complete)
        self.caller.answer(problem(status, detail, close=close, head_only=self.head_only))
        self.caller.done(reusable=not close)

    def expire(self) -> None:
        """Give up: the function took longer than its timeoutSeconds."""
        if self.function is not None:
            self.function.abandon()
        elif self.pool is not None:
            self.pool.forget(self)
        self.fail(HTTPStatus.GATEWAY_TIMEOUT, "the function did not answer in time")
