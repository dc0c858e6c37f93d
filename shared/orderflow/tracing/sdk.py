"""Spans made by OpenTelemetry's SDK: imported only in a process that exports them."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orderflow.logs import logger

FLUSH_MS = 3_000  # for what is not exported yet when the process leaves; then it is dropped
COMPLAIN_EVERY_S = 60  # a collector that is away is tried with every batch of spans

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
Attributes = Mapping[str, str | int | float]

_PROPAGATOR = TraceContextTextMapPropagator()


class Spans:
    """Starts spans; a thread of the SDK exports them, and drops those over its queue of 2,048.

    Spans name each other by W3C `traceparent`, as messages do. What is told as `None` is left out.
    """

    def __init__(self, service: str) -> None:
        _log_what_the_sdk_says()
        resource = Resource.create({SERVICE_NAME: service})
        # What is not to be exported does not come here: see `begin_call`.
        self._provider = TracerProvider(
            sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("orderflow")

    def start(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        *,
        links: Sequence[str | None] = (),
        attributes: Attributes | None = None,
        start_ns: int | None = None,
    ) -> Span:
        """Begin a span below its parent, or as the first of a trace."""
        within = _PROPAGATOR.extract({"traceparent": parent or ""})
        linked = [
            get_current_span(_PROPAGATOR.extract({"traceparent": link or ""})) for link in links
        ]
        contexts = [context for span in linked if (context := span.get_span_context()).is_valid]
        return self._tracer.start_span(
            name, within, SpanKind[kind], attributes, [Link(c) for c in contexts], start_ns
        )

    def end(self, span: Span, attributes: Attributes, fault: str | None = None) -> None:
        """End a span now, as failed if there is a fault."""
        span.set_attributes(attributes)
        if fault is not None:
            span.set_status(Status(StatusCode.ERROR, fault))
        span.end()

    async def flush(self) -> None:
        """Export what has ended, for at most `FLUSH_MS`."""
        await asyncio.to_thread(self._provider.force_flush, FLUSH_MS)


class _Complaints(logging.Handler):
    """Puts what the SDK logs among our own lines, without its stack traces and not all the time."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._silent_until_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() >= self._silent_until_s:
            self._silent_until_s = time.monotonic() + COMPLAIN_EVERY_S
            logger().warning("traces are not exported", why=record.getMessage())


def _log_what_the_sdk_says() -> None:
    theirs = logging.getLogger("opentelemetry")
    theirs.handlers = [_Complaints()]
    theirs.propagate = False
