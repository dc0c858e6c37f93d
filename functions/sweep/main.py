"""PingSource, every 5 s: nothing that waits is forgotten, whatever Kafka lost.

Writes what waits, the counters, what a cancellation writes, and deletes what is over; emits
orderflow.{order.placed,inventory.changed,order.cancelled}.v1 and the redriven events.
"""

import asyncio
from collections.abc import Awaitable, Callable

import orjson

from orderflow.database.connection import Connection, Json, statement
from orderflow.dead_letters.resending import settle_and_redrive
from orderflow.events.messages import inventory_changed, order_placed, stock_freed
from orderflow.events.models import Tick
from orderflow.events.trigger import event
from orderflow.http.handler import log_as_routine
from orderflow.ids import uuid7
from orderflow.logs import bind_log_fields, logger
from orderflow.overview.counters import conclude_sweep
from orderflow.resources import outbox, worker
from orderflow.retention.purging import purge
from orderflow.stock.holds import expire_holds
from orderflow.stock.unused import remove_unused
from orderflow.traceparent import traceparent_or_new

CLAIM_OVERDUE_ORDERS = statement(__file__, "claim_overdue_orders.sql")
CLAIM_OVERDUE_CHANGES = statement(__file__, "claim_overdue_changes.sql")
SELECT_UNFILLED = statement(__file__, "select_unfilled.sql")
INSERT_EVENTS = statement(__file__, "insert_events.sql")
MARK_OVERDUE_ORDERS = statement(__file__, "mark_overdue_orders.sql")

AT_ONCE = 500  # of each kind a tick: what is left comes with the next
RELAYS = 20  # bounded batches a tick, so that a tick ends before the next one
ANNOUNCE_BACKOFF = {
    "longest_pause_s": 3_600,  # someone who mends a thing sees it move within the hour
    "without_effect": 8,  # times, so 42 minutes: no deploy or failover takes that long
    "last": 200,  # times, so 8 days, a week's holiday: what is forgotten costs no more
}


@event(Tick)
async def sweep(_: Tick) -> None:
    """Take every step, whatever becomes of those before; fail in the end if one of them did."""
    counts: dict[str, int] = {}
    failures: list[BaseException] = []
    for name, step in STEPS.items():
        (outcome,) = await asyncio.gather(step(), return_exceptions=True)
        if isinstance(outcome, BaseException):
            logger().error("step failed", step=name, exc_info=outcome)
            failures.append(outcome)
        else:
            counts[name] = outcome
    await worker().submit(lambda connection: conclude_sweep(connection, complete=not failures))
    bind_log_fields(**counts)
    if failures:
        raise failures[0]
    if not any(counts.values()):
        log_as_routine()


async def relay() -> int:
    """Publish what writers left in the outbox, until it is empty or Kafka does not answer."""
    total = 0
    for _ in range(RELAYS):
        found, sent = await outbox().relay_once()
        total += sent
        if sent < found or not found:
            break
    return total


def republish(connection: Connection) -> int:
    """Put the events of what waits for too long into the outbox, as they were; return how many."""
    limits = {"count": AT_ONCE, **ANNOUNCE_BACKOFF}
    with connection.transaction():
        orders = connection.run(CLAIM_OVERDUE_ORDERS, **limits)
        events = [order_placed(name, orjson.loads(lines), *rest) for name, lines, *rest in orders]
        changes = connection.run(CLAIM_OVERDUE_CHANGES, **limits)
        events += [inventory_changed(*row) for row in changes]
        connection.run(INSERT_EVENTS, events=Json([made._asdict() for made in events]))
    return len(events)


def offer(connection: Connection) -> int:
    """Have an event of its own published for each item with stock to offer; return how many.

    Not through the outbox: what Kafka does not take is found again by the next tick.
    """
    rows = connection.run(SELECT_UNFILLED, count=AT_ONCE)
    origin = {"source": "/orderflow/sweep", "traceparent": traceparent_or_new(None)}
    connection.record(stock_freed(item, uuid7(), **origin) for (item,) in rows)
    return len(rows)


def mark(connection: Connection) -> int:
    """Ask a person about orders that nothing else can move; return how many."""
    return len(connection.run(MARK_OVERDUE_ORDERS, count=AT_ONCE))


STEPS: dict[str, Callable[[], Awaitable[int]]] = {  # each returns how many it moved
    "republished": lambda: worker().submit(republish),
    "relayed": relay,  # what was put there just now, too
    "offered": lambda: worker().submit(offer),
    "marked": lambda: worker().submit(mark),
    "expired": expire_holds,
    "purged": lambda: worker().submit(purge),
    "removed": lambda: worker().submit(remove_unused),
    "redriven": settle_and_redrive,
}
