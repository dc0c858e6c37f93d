"""A CloudEvent on its way from Kafka to HTTP, and the lines of HTTP it becomes."""

import random
import re
from dataclasses import dataclass, field

# Control characters that Vert.x refuses in a header value: below blank except TAB, and DEL.
_REFUSED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_SPAN_BITS = 64  # W3C Trace Context: a parent id has eight bytes


class HeaderRefusedError(ValueError):
    """A header value with a control character: the request cannot be sent."""


@dataclass(slots=True)
class Event:
    """One event in binary mode.

    `attributes` holds context attributes and extensions by name, without the content type;
    `data` None means no body at all, b"" an empty one; `trace` holds the W3C trace headers of
    the record; `plain` tells that the record was no CloudEvent itself.
    """

    attributes: dict[str, str]
    content_type: str | None = None
    data: bytes | None = None
    trace: dict[str, str] = field(default_factory=dict)
    plain: bool = False

    def request(self, head: bytes) -> bytes:
        """A whole HTTP request after `head`, a new span id in its `traceparent`.

        Raises HeaderRefusedError.
        """
        lines = [(f"ce-{name}", value) for name, value in self.attributes.items()]
        if self.content_type is not None:
            lines.append(("content-type", self.content_type))
        if self.trace:
            lines.extend(_continued(self.trace))
        if _REFUSED.search("\t".join([value for _, value in lines])):
            refused = next(name for name, value in lines if _REFUSED.search(value))
            raise HeaderRefusedError(f"control character in header {refused}")
        headers = latin1("".join([f"{name}: {value}\r\n" for name, value in lines]))
        if self.data is None:
            return b"%b%b\r\n" % (head, headers)
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, headers, len(self.data), self.data)

    def with_extensions(self, extensions: dict[str, str]) -> "Event":
        """A copy with extensions added or replaced, of specversion 1.0 (a dead letter is)."""
        attributes = {**self.attributes, "specversion": "1.0", **extensions}
        if "schemaurl" in attributes and self.attributes["specversion"] == "0.3":
            attributes["dataschema"] = attributes.pop("schemaurl")
        return Event(attributes, self.content_type, self.data, self.trace, self.plain)


def latin1(text: str) -> bytes:
    """One byte a character; what is above U+00FF becomes `?`, or `??` for a surrogate pair.

    That is what netty's writeAscii does to Java's UTF-16 text.
    """
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return "".join("??" if ord(c) > 0xFFFF else c for c in text).encode("latin-1", "replace")


def trace_headers(headers: dict[str, bytes | None]) -> dict[str, str]:
    """The W3C trace headers of a record, empty without a valid `traceparent`."""
    if "traceparent" not in headers:
        return {}
    found = {
        name: (headers.get(name) or b"").decode("latin-1")
        for name in ("traceparent", "tracestate", "baggage")
    }
    if not _TRACEPARENT.fullmatch(found["traceparent"]):
        return {}
    return {name: value for name, value in found.items() if value}


def _continued(trace: dict[str, str]) -> list[tuple[str, str]]:
    trace_id, flags = trace["traceparent"][3:35], trace["traceparent"][-2:]
    span = random.getrandbits(_SPAN_BITS) or 1
    rest = [(name, value) for name, value in trace.items() if name != "traceparent"]
    return [("traceparent", f"00-{trace_id}-{span:016x}-{flags}"), *rest]
