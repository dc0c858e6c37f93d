"""The overview's figures as metrics, within the time that a scrape has."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from orderflow.errors import OrderFlowError

# Prometheus gives a scrape 10 s, and what every function tells is not to be lost with these.
READ_WITHIN_S = 4.0

Told = Mapping[str, Any]
Rows = Sequence[tuple[tuple[str, ...], float]]


async def business_families(read: Callable[[], Awaitable[Told]]) -> list[Metric]:
    """Return the figures that `read` returns as GET /overview answers them.

    Where the database does not answer in time, or not at all, they are left out; `up` says which.
    """
    try:
        told = await asyncio.wait_for(read(), READ_WITHIN_S)
    except (TimeoutError, OrderFlowError):
        return [_family("overview_up", "Whether the figures could be read.", [((), 0)])]
    up = _family("overview_up", "Whether the figures could be read.", [((), 1)])
    return [up, *families(told)]


def families(told: Told) -> Iterator[Metric]:
    """Give an overview's figures as gauges; what it does not know is left out."""
    by_status = [((status,), count) for status, count in told["orders"].items()]
    yield _family("orders", "Orders by status.", by_status, "status")
    yield from _waiting(told)
    yield from _for_people(told)
    yield from _proofs(told)
    size = [] if told.get("database_bytes") is None else [((), told["database_bytes"])]
    yield _family("database_size_bytes", "Size of the database on its disk.", size)


def _waiting(told: Told) -> Iterator[Metric]:
    oldest, outbox = told["oldest_pending"], told["outbox"]
    age_s = 0 if oldest is None else oldest["age_s"]
    yield _family("oldest_pending_seconds", "Age of the oldest order to decide on.", [((), age_s)])
    yield _family("outbox_waiting", "Events in the outbox.", [((), outbox["waiting"])])
    oldest_s = outbox["oldest_s"] or 0
    yield _family("outbox_oldest_seconds", "Age of the oldest of them.", [((), oldest_s)])
    lags = [((row["group"], row["topic"]), row["lag"]) for row in told["consumer_lag"] or ()]
    yield _family("consumer_lag", "Records that a group has to read.", lags, "group", "topic")
    recent = told["allocation_ms"] or {}
    quantiles = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}
    times = [((q,), recent[name] / 1000) for name, q in quantiles.items() if name in recent]
    what = "From acceptance to decision, of the last minutes."
    yield _family("allocation_recent_seconds", what, times, "quantile")


def _for_people(told: Told) -> Iterator[Metric]:
    asked = [((kind,), count) for kind, count in told["attention"].items()]
    yield _family("attention", "What waits for a person.", asked, "kind")
    letters = [((state,), count) for state, count in told["dead_letters"].items()]
    yield _family("dead_letters", "Events that could not be processed.", letters, "state")
    items = [((state,), told[f"{state}_items"]["count"]) for state in ("short", "low")]
    yield _family("items", "Items short of stock, or below their threshold.", items, "state")


def _proofs(told: Told) -> Iterator[Metric]:
    sweep, audit = told["last_sweep"], told["last_audit"]
    if sweep is not None:
        yield _family("last_sweep_age_seconds", "Since the last sweep.", [((), sweep["age_s"])])
    if audit is None:
        return
    now, at = (datetime.fromisoformat(time) for time in (told["at"], audit["at"]))
    age_s = (now - at).total_seconds()
    yield _family("last_audit_age_seconds", "Since the last audit.", [((), age_s)])
    passed = [((), int(audit["passed"]))]
    yield _family("last_audit_passed", "Whether it found nothing that differs.", passed)
    differences = [((), audit["differences"])]
    yield _family("last_audit_differences", "Rows that it found to differ.", differences)


def _family(name: str, what: str, rows: Rows, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"orderflow_{name}", what, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
