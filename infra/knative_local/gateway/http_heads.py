"""Heads of requests and responses as they pass the gateway: what is kept, dropped and added."""

from dataclasses import dataclass, field

from httptools import parse_url

# For one connection only, so never forwarded (RFC 9110 section 7.6.1). The gateway frames bodies
# anew, says itself whether a connection lasts, and answers `Expect` itself.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer "
    b"transfer-encoding upgrade expect".split()
)
# A `Connection` header that names one of these would strip what the next hop relies on.
NEVER_DROPPED = frozenset(b"host content-length".split())
# Said anew by the gateway: a caller does not get to claim them.
FORWARDED_ANEW = frozenset(b"x-forwarded-for x-forwarded-proto x-forwarded-host forwarded".split())


class BadRequestError(ValueError):
    """A head that must not be forwarded, because two readers could understand it differently."""


@dataclass(slots=True)
class Head:
    """The headers of one message, sorted into what passes and what ends here."""

    kept: list[bytes] = field(default_factory=list)
    host: bytes | None = None
    length: bytes | None = None
    chunked: bool = False
    expects_continue: bool = False
    forwarded_for: bytes = b""
    forwarded: bytes = b""
    connection: bytes = b""
    size_bytes: int = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Take one header; raises BadRequestError for one that makes the framing ambiguous."""
        lower = name.lower()
        self.size_bytes += len(name) + len(value) + 4
        if b"\n" in value or b"\r" in value or b"\0" in value:
            raise BadRequestError("a header value holds a line break or a NUL")
        if lower in _SPECIAL:
            self._add_special(lower, value)
            if lower in HOP_BY_HOP or lower in FORWARDED_ANEW:
                return
        self.kept.append(name + b": " + value)

    def _add_special(self, lower: bytes, value: bytes) -> None:
        if lower == b"host":
            if self.host is not None:
                raise BadRequestError("there is more than one Host")
            self.host = value
        elif lower == b"content-length":
            if self.length is not None or not value.isdigit():
                raise BadRequestError("Content-Length is not one number")
            self.length = value
        elif lower == b"transfer-encoding":
            if self.chunked or value.lower() != b"chunked":
                raise BadRequestError("the only Transfer-Encoding taken is chunked, once")
            self.chunked = True
        else:
            self._note(lower, value)

    def _note(self, lower: bytes, value: bytes) -> None:
        if lower == b"expect":
            self.expects_continue = value.lower() == b"100-continue"
        elif lower == b"connection":
            self.connection = b", ".join(filter(None, (self.connection, value)))
        elif lower == b"x-forwarded-for":
            self.forwarded_for = b", ".join(filter(None, (self.forwarded_for, value)))
        elif lower == b"forwarded":
            self.forwarded = b", ".join(filter(None, (self.forwarded, value)))

    def drop_named_by_connection(self) -> None:
        """Drop the headers that `Connection` says are for this hop only."""
        if not self.connection:
            return
        named = {token.strip().lower() for token in self.connection.split(b",")} - NEVER_DROPPED
        named -= {b"close", b"keep-alive", b""}
        if named:
            self.kept = [h for h in self.kept if h.split(b":", 1)[0].lower() not in named]


_SPECIAL = HOP_BY_HOP | NEVER_DROPPED | FORWARDED_ANEW


def check_request(head: Head, version: str) -> None:
    """Refuse what RFC 9112 says must be refused (sections 3.2 and 6.3)."""
    if head.chunked and (head.length is not None or version == "1.0"):
        raise BadRequestError("Transfer-Encoding goes with neither Content-Length nor HTTP/1.0")
    if version == "1.1" and head.host is None:
        raise BadRequestError("there is no Host")


def split_target(target: bytes) -> tuple[bytes, bytes, bytes | None]:
    """Return origin-form target, path without query, and the host of an absolute-form target."""
    host = None
    if not target.startswith(b"/"):
        url = parse_url(target)
        if url.schema is None or url.schema.lower() not in {b"http", b"https"} or not url.host:
            raise BadRequestError("the request target is neither a path nor an http URL")
        host = url.host if url.port is None else url.host + b":%d" % url.port
        target = (url.path or b"/") + (b"?" + url.query if url.query is not None else b"")
    return target, target.split(b"?", 1)[0].split(b"#", 1)[0], host


def request_head(method: bytes, target: bytes, head: Head, peer: bytes) -> bytes:
    """Return the head for the function: kept headers, framing, and who asked whom."""
    head.drop_named_by_connection()
    lines = [method + b" " + target + b" HTTP/1.1", *head.kept]
    if head.chunked:
        lines.append(b"Transfer-Encoding: chunked")
    host = head.host or b""
    bare = peer.strip(b'"[]')
    lines.append(b"X-Forwarded-For: " + (head.forwarded_for and head.forwarded_for + b", ") + bare)
    lines.append(b"X-Forwarded-Proto: http")
    lines.append(b"X-Forwarded-Host: " + host)
    quoted = host.replace(b"\\", b"").replace(b'"', b"")
    element = b"for=" + peer + b';host="' + quoted + b'";proto=http'
    lines.append(b"Forwarded: " + (head.forwarded and head.forwarded + b", ") + element)
    return b"\r\n".join([*lines, b"", b""])


def response_head(
    status: int, reason: bytes, head: Head, *, chunk: bool, connection: bytes
) -> bytes:
    """Return the head for the caller; `connection` is empty where HTTP/1.1's default holds."""
    head.drop_named_by_connection()
    lines = [b"HTTP/1.1 %d %b" % (status, reason), *head.kept]
    if chunk:
        lines.append(b"Transfer-Encoding: chunked")
    if connection:
        lines.append(b"Connection: " + connection)
    return b"\r\n".join([*lines, b"", b""])
