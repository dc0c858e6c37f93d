"""The gateway's own answers: RFC 9457 problem details, as ASGI and as bytes."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from starlette.types import Send

RETRY_AFTER_S = 1  # a function restarts within a second or two
_RETRY_LATER = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
# Stable, unlike the phrases of the statuses, which change with Python.
SLUGS = {
    HTTPStatus.BAD_REQUEST: "bad-request",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method-not-allowed",
    HTTPStatus.REQUEST_URI_TOO_LONG: "target-too-long",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "head-too-large",
    HTTPStatus.SERVICE_UNAVAILABLE: "function-away",
    HTTPStatus.GATEWAY_TIMEOUT: "function-too-slow",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "http-version-too-old",
}

Headers = Sequence[tuple[bytes, bytes]]


class Problem(Exception):
    """A request that the gateway answers itself; with `close` the connection ends with it."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Headers | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.close = status, detail, headers or [], close


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with the problem."""
    headers, body = _answer(problem)
    await send({"type": "http.response.start", "status": int(problem.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_bytes(status: HTTPStatus, detail: str) -> bytes:
    """Return a whole HTTP/1.1 response after which the connection ends."""
    headers, body = _answer(Problem(status, detail, close=True))
    lines = [name + b": " + value for name, value in headers]
    return b"\r\n".join([f"HTTP/1.1 {status:d} {status.phrase}".encode(), *lines, b"", body])


def _answer(problem: Problem) -> tuple[Headers, bytes]:
    status = problem.status
    body = json.dumps(
        {
            "type": f"/problems/{SLUGS[status]}",
            "title": status.phrase,
            "status": status,
            "detail": problem.detail,
        }
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        *problem.headers,
    ]
    if status in _RETRY_LATER:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    if problem.close:
        headers.append((b"connection", b"close"))
    return headers, body
