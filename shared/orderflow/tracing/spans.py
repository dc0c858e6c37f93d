"""The spans of a call: the call itself, the commit that serves it and the events it publishes.

Where `OTEL_EXPORTER_OTLP_ENDPOINT` is not set, nothing of OpenTelemetry is imported and nothing is
done here.
"""

import random
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from orderflow.config import log_settings, trace_settings
from orderflow.errors import ConfigurationError
from orderflow.logs import bind_log_fields, log_fields
from orderflow.server.graceful_shutdown import on_shutdown
from orderflow.traceparent import trace_id, traceparent_or_new

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from orderflow.tracing.sdk import Kind, Spans

MAX_LINKS = 127  # of a span; the SDK keeps 128
TOLD = ("order_id", "item", "change_id", "event_id", "error")  # of a log line, in its span, too


class Traced(NamedTuple):
    """A call under way: its span if it is exported, and the `traceparent` of what it begets."""

    span: "Span | None"
    traceparent: str


_call: ContextVar[Traced | None] = ContextVar("call", default=None)
_at_work: dict[str, str] = {}  # traceparents by order: no more than there are calls under way


@cache
def spans() -> "Spans | None":
    """Return what makes this process's spans, None where they go nowhere.

    Raises `ConfigurationError` if they are to go somewhere and the SDK is not installed.
    """
    if not trace_settings().otel_exporter_otlp_endpoint:
        return None
    try:
        from orderflow.tracing.sdk import Spans  # noqa: PLC0415 (10 MB)
    except ImportError as error:
        raise ConfigurationError(f"traces want the extra `tracing`: {error}") from error
    made = Spans(log_settings().k_service)
    on_shutdown(made.flush)
    return made


def begin_call(name: str, headers: Mapping[str, str]) -> Traced | None:
    """Begin the span of a call that came with these headers.

    What delivers an event puts a span of its own into `traceparent`, and exports it or not. The
    event's attribute names the call that published it, which is exported: that is the parent.
    """
    made = spans()
    if made is None:
        return None
    hop, publisher = headers.get("traceparent"), headers.get("ce-traceparent")
    parent = traceparent_or_new(publisher or hop)
    is_new = parent not in {publisher, hop}
    if is_new and random.random() >= trace_settings().otel_traces_sampler_arg:  # noqa: S311
        parent = f"{parent[:-2]}00"
    if is_exported(parent):
        kind: Kind = "SERVER" if publisher is None else "CONSUMER"
        links = [] if publisher is None else [hop]
        span = made.start(name, kind, None if is_new else parent, links=links)
        call = Traced(span, traceparent_to(span))
    else:  # the SDK would take its time to do nothing
        call = Traced(None, parent)
    _call.set(call)
    bind_log_fields(trace_id=trace_id(call.traceparent))
    return call


def end_call(call: Traced, method: str, status: int) -> None:
    """End the span of a call that was answered so."""
    made = spans()
    if made is None or call.span is None:
        return
    fields = log_fields()
    told = {f"orderflow.{name}": str(fields[name]) for name in TOLD if name in fields}
    http: dict[str, str | int] = {
        "http.request.method": method,
        "http.response.status_code": status,
    }
    made.end(call.span, {**http, **told}, "" if status >= 500 else None)
    if _at_work.get(order_id := str(fields.get("order_id"))) == call.traceparent:
        del _at_work[order_id]


def is_exported(traceparent: str) -> bool:
    """Whether its trace is one of those exported: the last bit says so (W3C, section 3.2.2.5)."""
    return traceparent[-1] in "13579bdf"


def traceparent_to(span: "Span") -> str:
    """Return what makes others children of an exported span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def traceparent_of_call() -> str | None:
    """Return what makes others children of the call at hand; None where nothing is traced."""
    call = _call.get()
    return call and call.traceparent


def traced_call() -> Traced | None:
    """Return the call at hand, if it is traced and its trace is one of those exported."""
    call = _call.get()
    return call if call is not None and call.span is not None else None


def work_on(order_id: str) -> None:
    """Have the events of what happens to the order be children of the call at hand.

    The order has to be what the call's log line names.
    """
    if (call := traced_call()) is not None:
        _at_work[order_id] = call.traceparent


def continued(order_id: str, traceparent: str) -> str:
    """Return the `traceparent` of an order's next event: that of the call at work on the order.

    Without one, or if that is of another trace, it is the order's own.
    """
    at_work = _at_work.get(order_id, traceparent)
    return at_work if trace_id(at_work) == trace_id(traceparent) else traceparent


def record_commit(
    name: str, served: Sequence[tuple[Traced, float]], size: int, begun_s: float
) -> None:
    """Record a transaction that has ended just now, in the trace of each call that it served.

    `served` are the traced ones of `size` calls, and since when they waited; all times are
    monotonic seconds. The first span links to the other calls, theirs to the first span.
    """
    made = spans()
    if made is None or not served:
        return
    skew_ns = time.time_ns() - time.monotonic_ns()
    links: Sequence[str] = [call.traceparent for call, _ in served[1 : MAX_LINKS + 1]]
    for call, since_s in served:
        told = {"orderflow.calls": size, "orderflow.queued_ms": (begun_s - since_s) * 1000}
        span = made.start(
            name,
            "CLIENT",
            call.traceparent,
            links=links,
            attributes={"db.system.name": "postgresql", **told},
            start_ns=int(since_s * 1e9) + skew_ns,
        )
        made.end(span, {})
        if call is served[0][0]:
            links = [traceparent_to(span)]


def begin_send(topic: str, event_id: str, traceparent: str) -> "Span | None":
    """Begin the span of an event on its way to Kafka, if its trace is one of those exported."""
    made = spans()
    if made is None or not is_exported(traceparent):
        return None
    where = {"messaging.system": "kafka", "messaging.destination.name": topic}
    told = {**where, "messaging.message.id": event_id}
    return made.start(f"send {topic}", "PRODUCER", traceparent, attributes=told)


def end_send(span: "Span", error: str | None) -> None:
    """End it: Kafka has the event, or it has not, and why."""
    if (made := spans()) is not None:
        made.end(span, {}, error)
