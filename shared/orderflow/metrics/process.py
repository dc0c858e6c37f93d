"""What a process counts: the one list of its metrics.

Names and labels of HTTP are those of OpenTelemetry's semantic conventions as Prometheus writes
them. No label has a value that a caller can make up.
"""

from functools import cache

from orderflow.metrics.series import Counter, Family, Gauge, Histogram

# Seconds. The first list is the one that OpenTelemetry advises for HTTP.
OF_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OF_TRANSACTIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OF_EVENTS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
OF_BATCHES = (1, 2, 5, 10, 20, 50, 100, 200)  # calls; the last is the largest batch there is

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
STATUSES = tuple(map(str, range(600)))  # as text, made once
NO_METHOD = "_OTHER"  # as the conventions have it


class OfHttp:
    """Requests and what was refused."""

    def __init__(self) -> None:
        super().__init__()
        method = "http_request_method"
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests, from the head to the last byte of the answer.",
            (method, "http_route", "http_response_status_code"),
            OF_REQUESTS,
        )
        self.problems = Counter(
            "orderflow_problems",
            "Problems (RFC 9457) answered, by the last part of their type.",
            ("type", "http_response_status_code"),
        )
        self._active: dict[str, int] = {}
        self.active = Gauge("http_server_active_requests", "HTTP requests under way.", (method,))

    def begin_request(self, method: str) -> str:
        """Count a request in; return the method's value of the label."""
        label = method if method in METHODS else NO_METHOD
        active = self._active
        if label not in active:
            self.active.ask[(label,)] = lambda: active[label]
            active[label] = 0
        active[label] += 1
        return label

    def end_request(self, label: str, route: str, status: int, duration_s: float) -> None:
        """Count it out, with how it was answered."""
        self._active[label] -= 1
        self.requests.observe(duration_s, label, route, STATUSES[status])


class OfDatabase:
    """Transactions and what waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_calls = Histogram(
            "orderflow_batch_calls",
            "Calls that one transaction of a group commit served.",
            ("transaction",),
            OF_BATCHES,
        )
        self.batch_durations = Histogram(
            "orderflow_batch_duration_seconds",
            "Duration of a turn of group commit, tries after a conflict included.",
            ("transaction",),
            OF_TRANSACTIONS,
        )
        self.waiting = Gauge(
            "orderflow_batch_waiting_calls", "Calls that wait for a turn.", ("transaction",)
        )
        self.submitted = Gauge(
            "orderflow_database_waiting", "Pieces of work that the database's thread has to do."
        )


class OfEvents:
    """What happened to orders and items, and the events that tell of it."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Counter(
            "orderflow_events_recorded",
            "Events committed with the state they tell of, each once: what happened to orders.",
            ("type",),
        )
        self.acknowledgements = Histogram(
            "orderflow_outbox_acknowledgement_seconds",
            "From the sending of an event to Kafka's report on it.",
            ("outcome",),
            OF_TRANSACTIONS,
        )
        self.taken = Counter(
            "orderflow_events_taken",
            "Events delivered here: what failed comes again, what is refused is a dead letter.",
            ("outcome",),
        )
        self.ages = Histogram(
            "orderflow_event_age_seconds",
            "From an event's own time until it was done with; of order.placed: from the acceptance "
            "of an order until it was decided on.",
            ("type",),
            OF_EVENTS,
        )
        self.letters = Counter(
            "orderflow_dead_letters_kept", "Deliveries kept as dead letters.", ("type",)
        )
        self.in_flight = Gauge(
            "orderflow_outbox_in_flight", "Events sent and not yet reported on by Kafka."
        )


class Metrics(OfHttp, OfDatabase, OfEvents):
    """All its numbers. They are changed in the event loop, and read there."""

    @property
    def families(self) -> dict[str, Family]:
        """What only grows, by name."""
        return {one.name: one for one in vars(self).values() if isinstance(one, Family)}

    @property
    def gauges(self) -> dict[str, Gauge]:
        """What is so at the moment, by name."""
        return {one.name: one for one in vars(self).values() if isinstance(one, Gauge)}


@cache
def metrics() -> Metrics:
    """Return this process's metrics. A test makes them anew after `metrics.cache_clear()`."""
    return Metrics()
