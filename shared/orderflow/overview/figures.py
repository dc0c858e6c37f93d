"""The figures of an overview that are in the database."""

from typing import Any, get_args

from orderflow.database.connection import Connection, statement
from orderflow.orders.states import Status
from orderflow.overview.histogram import percentile_ms

SELECT_LAST_AUDIT = statement(__file__, "select_last_audit.sql")
SELECT_COUNTS = statement(__file__, "select_counts.sql")
SELECT_BACKLOG = statement(__file__, "select_backlog.sql")
SELECT_SHORT_ITEMS = statement(__file__, "select_short_items.sql")
SELECT_DATABASE_SIZE = statement(__file__, "select_database_size.sql")
SELECT_LOW_ITEMS = statement(__file__, "select_low_items.sql")

Figures = dict[str, Any]

LATENCY_MINUTES = 5  # whole ones, beside the one that has begun: enough orders, and still news
REFUSED_DAYS = 7  # a person who is there once a week sees each change that was refused
MAX_COUNTED = 10_000  # of what waits, in some milliseconds; more of it says nothing more
MAX_DELTAS = 200_000  # in 100 ms: what half an hour without sweep leaves of a busy stack
MAX_BACKORDERS = 1_000_000  # in half a second
MAX_THRESHOLDS = 100_000
SHOWN_ITEMS = 100  # a person reads fewer
STATUSES: tuple[Status, ...] = get_args(Status)


def read_figures(connection: Connection) -> Figures:
    """Return how many orders there are, how fast they go, and what waits."""
    counts = connection.value(SELECT_COUNTS, most=MAX_DELTAS, minutes=LATENCY_MINUTES)
    backlog = connection.value(SELECT_BACKLOG, most=MAX_COUNTED, days=REFUSED_DAYS)
    latencies = {row["bucket"]: row["n"] for row in counts["latencies"]}
    return {
        "at": counts["at"],
        "orders": dict.fromkeys(STATUSES, 0) | counts["orders"],
        "per_minute": counts["per_minute"],
        "allocation_ms": allocation_ms(latencies),
        **backlog,
        "last_audit": connection.value(SELECT_LAST_AUDIT),
    }


def read_items(connection: Connection) -> Figures:
    """Return which items are short, and which are below their threshold."""
    short = {"most": MAX_BACKORDERS, "shown": SHOWN_ITEMS}
    low = {"most": MAX_THRESHOLDS, "shown": SHOWN_ITEMS}
    return {
        "short_items": connection.value(SELECT_SHORT_ITEMS, **short),
        "low_items": connection.value(SELECT_LOW_ITEMS, **low),
    }


def read_database_size(connection: Connection) -> int:
    """Return its bytes on the disk."""
    return int(connection.value(SELECT_DATABASE_SIZE))


def allocation_ms(latencies: dict[int, int]) -> Figures | None:
    """Return percentiles of the time from acceptance to decision, None if nothing was decided."""
    if not latencies:
        return None
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: round(percentile_ms(latencies, share), 1) for name, share in shares.items()}
    return {**found, "orders": sum(latencies.values()), "minutes": LATENCY_MINUTES}
