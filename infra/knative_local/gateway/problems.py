"""The gateway's own answers: RFC 9457 problem details, ready to be sent."""

import json
from http import HTTPStatus

_RETRY_LATER = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
RETRY_AFTER_S = 1  # a function restarts within a second or two


def problem(
    status: HTTPStatus, detail: str, *, close: bool, head_only: bool = False, allow: bytes = b""
) -> bytes:
    """Return a whole HTTP/1.1 response; `allow` is the Allow header's value of a 405.

    `close` announces that the connection ends with it; `head_only` leaves the body out but not
    its length, as an answer to HEAD must.
    """
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    body = json.dumps(document).encode()
    lines = [
        f"HTTP/1.1 {status:d} {status.phrase}".encode(),
        b"Content-Type: application/problem+json",
        b"Content-Length: %d" % len(body),
    ]
    if allow:
        lines.append(b"Allow: " + allow)
    if status in _RETRY_LATER:
        lines.append(b"Retry-After: %d" % RETRY_AFTER_S)
    if close:
        lines.append(b"Connection: close")
    return b"\r\n".join([*lines, b"", b"" if head_only else body])
