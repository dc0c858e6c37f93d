"""What the runtime's own processes tell Prometheus, each on a port of its own."""

from collections.abc import Callable
from contextlib import suppress
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from knative_local.ports import LOOPBACK

Outcome = Literal["delivered", "dead_letter", "lost"]
To = Literal["sink", "dead_letter_sink"]

# Seconds. An event may take minutes: as long as its delivery is tried again.
OF_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OF_DELIVERIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
LEFT = 499  # nginx's status for a caller who did not wait
NO_ROUTE = ""  # the Service of a request that no route took
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_METHOD = "_OTHER"  # as OpenTelemetry's conventions have it

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Duration of requests through the gateway, by the Service they led to.",
    ("knative_service", "http_request_method", "http_response_status_code"),
    buckets=OF_REQUESTS,
    registry=REGISTRY,
)
ACTIVE = Gauge("http_server_active_requests", "HTTP requests under way.", registry=REGISTRY)
EVENTS = Counter(
    "knative_local_events",
    "Events that nothing more is done for, by what became of them.",
    ("source", "outcome"),
    registry=REGISTRY,
)
DURATIONS = Histogram(
    "knative_local_delivery_duration_seconds",
    "From the first attempt at an event until nothing more is done for it.",
    ("source",),
    buckets=OF_DELIVERIES,
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "knative_local_delivery_attempts",
    "Attempts to deliver an event, by the class of the answer's status; none is no answer.",
    ("source", "to", "answer"),
    registry=REGISTRY,
)
RETRIES = Counter(
    "knative_local_delivery_retries",
    "Attempts that were not an event's first.",
    ("source", "to"),
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("knative_local_in_flight", "Events under way.", ("source",), registry=REGISTRY)
LAG = Gauge(
    "knative_local_consumer_lag",
    "Records of a partition that nothing was done for yet, as of the last fetch.",
    ("source", "topic", "partition"),
    registry=REGISTRY,
)

Answered = Callable[[int | None, int], None]
"""Told of each attempt: the answer's status, if there was one, and how many were made before."""


class Deliveries:
    """Those of one source. What has not happened yet is there too, as 0."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._ended = {outcome: EVENTS.labels(source, outcome) for outcome in get_args(Outcome)}
        self._durations = DURATIONS.labels(source)
        self._retries = {to: RETRIES.labels(source, to) for to in get_args(To)}
        self._attempts: dict[tuple[To, str], Counter] = {}

    def ended(self, outcome: Outcome, took_s: float) -> None:
        """Count an event that nothing more is done for."""
        self._ended[outcome].inc()
        self._durations.observe(took_s)

    def attempted(self, to: To, status: int | None, before: int) -> None:
        """Count an attempt to deliver to this sink, as `Answered` says."""
        answer = "none" if status is None else f"{status // 100}xx"
        found = self._attempts.get((to, answer))
        if found is None:
            found = ATTEMPTS.labels(self._source, to, answer)
            self._attempts[to, answer] = found
        found.inc()
        if before:
            self._retries[to].inc()


def watch_in_flight(source: str, count: Callable[[], int]) -> None:
    """Ask this how many events of a source are under way whenever Prometheus asks."""
    IN_FLIGHT.labels(source).set_function(count)


def set_lag(source: str, topic: str, partition: int, records: int) -> None:
    """Say how far behind a source is."""
    LAG.labels(source, topic, str(partition)).set(records)


def forget_lag(source: str, topic: str, partition: int) -> None:
    """Say nothing more of a partition that another process has now."""
    with suppress(KeyError):  # nothing was said yet
        LAG.remove(source, topic, str(partition))


class Requests:
    """Those through a gateway."""

    def __init__(self) -> None:
        self._durations: dict[tuple[str, str, int], Histogram] = {}

    def ended(self, service: str, method: str, status: int, took_s: float) -> None:
        """Count a request; a status of 0 is that of a caller who left, as 499."""
        key = (service, method if method in METHODS else NO_METHOD, status)
        found = self._durations.get(key)
        if found is None:
            found = self._durations[key] = REQUESTS.labels(key[0], key[1], str(status or LEFT))
        found.observe(took_s)


def serve_metrics(port: int | None, host: str = LOOPBACK) -> None:
    """Answer Prometheus on this port from now on, in a thread; without a port nobody is."""
    if port is not None:
        start_http_server(port, host, REGISTRY)
