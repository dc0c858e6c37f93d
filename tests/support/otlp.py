"""A receiver of OpenTelemetry's traces: what a collector is told, and each trace as a tree."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Told
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from knative_local.ports import LOOPBACK


class Span(NamedTuple):
    """A span as it was told; ids are hexadecimal, times in ns."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: list[str]
    attributes: dict[str, Any]
    begun: int
    ended: int
    failed: bool


class Collector:
    """What was received so far."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.endpoint = ""

    def take(self, body: bytes) -> None:
        """Take one export."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [read(span, names["service.name"]) for span in scope.spans]

    def of_trace(self, trace: str) -> list[Span]:
        """The spans of one trace, in the order in which they began."""
        return sorted((s for s in self.spans if s.trace == trace), key=lambda span: span.begun)

    def tree(self, trace: str, parent: str, indent: str = "") -> Iterator[str]:
        """What is below a span, a line each, with times in ms since the first of the trace."""
        spans = self.of_trace(trace)
        for span in spans:
            if span.parent == parent:
                begun, ended = ((t - spans[0].begun) / 1e6 for t in (span.begun, span.ended))
                who = f"{indent}{span.service}: {span.name}"
                yield f"{who:<44}{begun:8.1f} to {ended:6.1f} ms"
                yield from self.tree(trace, span.id, f"{indent}  ")


def read(span: Told, service: str) -> Span:
    """Return a span as it was told by a service."""
    return Span(
        service,
        span.name,
        Told.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        [link.span_id.hex() for link in span.links],
        {a.key: getattr(a.value, a.value.WhichOneof("value") or "") for a in span.attributes},
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == Status.STATUS_CODE_ERROR,
    )


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector that listens during the block."""
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces"
            if known:
                received.take(body)
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    received.endpoint = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
