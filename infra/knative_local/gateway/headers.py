"""Headers as they pass the gateway: what is refused, kept, dropped and added."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.types import Scope

from knative_local.gateway.problems import Headers, Problem

MAX_HEAD_BYTES = 64 * 1024  # what gunicorn and uvicorn take at most

# For one connection only, so never forwarded (RFC 9110 section 7.6.1). Bodies are framed anew.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer "
    b"transfer-encoding upgrade expect".split()
)
# Said anew by the gateway: a caller does not get to claim them.
FORWARDED_ANEW = frozenset(b"x-forwarded-for x-forwarded-proto x-forwarded-host forwarded".split())
# A `Connection` header that names one of these would strip what the next hop relies on.
NEVER_DROPPED = frozenset(b"host content-length close keep-alive".split())
_SPECIAL = HOP_BY_HOP | FORWARDED_ANEW | {b"host", b"content-length"}


class Head:
    """The head of a request for a function, checked; raises `Problem` (400, 431).

    What two readers could understand differently is refused: RFC 9112, sections 3.2 and 6.
    """

    def __init__(self, scope: Scope) -> None:
        special: dict[bytes, list[bytes]] = {}
        self._kept: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        for name, value in scope["headers"]:
            size_bytes += len(name) + len(value) + 4
            if name in _SPECIAL:
                special.setdefault(name, []).append(value)
            else:
                self._kept.append((name, value))
        if size_bytes > MAX_HEAD_BYTES:
            raise Problem(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large", close=True
            )
        self._special = special
        self._scope = scope
        self.host = self.function_host = b"".join(special.get(b"host", []))
        self._check()
        length = special.get(b"content-length")
        self.length = int(length[0]) if length else None
        """The length that the caller declared for the body, in bytes."""
        self.has_body = self.unread = bool(self.length) or b"transfer-encoding" in special
        """Whether a body follows, and whether some of it is yet to come."""

    @property
    def upgrades(self) -> bool:
        """Whether the caller wants another protocol on its connection, which it does not get."""
        return b"upgrade" in self._special

    def encode(self, length: int | None) -> bytes:
        """Return the head for the function, with a body of `length` bytes, None for chunked."""
        scope, host = self._scope, self.host
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        lines = [b"%b %b%b HTTP/1.1" % (scope["method"].encode(), scope["raw_path"], query)]
        passed = without_named(self._kept, self._special.get(b"connection", ()))
        lines += [b"host: " + self.function_host, *(name + b": " + value for name, value in passed)]
        if length is None:
            lines.append(b"transfer-encoding: chunked")
        elif length or self.length is not None:
            lines.append(b"content-length: %d" % length)
        peer = (scope.get("client") or ("unknown", 0))[0].encode()
        quoted = b'"[%b]"' % peer if b":" in peer else peer
        before = self._special.get
        lines.append(b"x-forwarded-for: " + b", ".join([*before(b"x-forwarded-for", []), peer]))
        lines += [b"x-forwarded-proto: http", b"x-forwarded-host: " + host]
        plain_host = host.replace(b"\\", b"").replace(b'"', b"")
        element = b"for=" + quoted + b';host="' + plain_host + b'";proto=http'
        lines.append(b"forwarded: " + b", ".join([*before(b"forwarded", []), element]))
        return b"\r\n".join([*lines, b"", b""])

    def _check(self) -> None:
        special, version = self._special, self._scope["http_version"]
        encodings = special.get(b"transfer-encoding", [])
        if len(special.get(b"host", [])) != 1 and (version == "1.1" or b"host" in special):
            raise _bad_request("there must be one Host")
        if len(special.get(b"content-length", [])) > 1:
            raise _bad_request("there is more than one Content-Length")
        if encodings and (version != "1.1" or [e.lower() for e in encodings] != [b"chunked"]):
            raise _bad_request("the only Transfer-Encoding taken is chunked, once, in HTTP/1.1")
        if encodings and b"content-length" in special:
            raise _bad_request("Transfer-Encoding does not go with Content-Length")
        # uvicorn's parser leaves the body of such a request unread.
        if self.upgrades and (encodings or special.get(b"content-length", [b"0"]) != [b"0"]):
            raise _bad_request("Upgrade does not go with a body; send the request without it")


def response_headers(received: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers of a function's answer that go on to the caller."""
    headers = [(name.lower(), value) for name, value in received]
    connection = [value for name, value in headers if name == b"connection"]
    kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
    return without_named(kept, connection)


def without_named(headers: Headers, connection: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Drop the headers that `Connection` says are for this hop only."""
    if not connection:
        return [*headers]
    tokens = b",".join(connection).split(b",")
    named = {token.strip().lower() for token in tokens} - NEVER_DROPPED
    return [(name, value) for name, value in headers if name not in named]


def _bad_request(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, f"not understood: {detail}", close=True)
