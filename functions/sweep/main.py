"""PingSource, every 10 s: nothing that waits is forgotten, whatever Kafka lost.

Publishes what the outbox still holds; announces again orders pending, inventory changes unapplied
and backorders unfilled for too long; cancels what is held too long; asks a person about the rest;
sends dead letters that are redriven. Writes orders, inventory_changes, outbox, dead_letters,
redriven_letters and attempts, and what a cancellation writes; emits orderflow.order.placed.v1,
orderflow.inventory.changed.v1, orderflow.order.cancelled.v1 and the redriven events.
"""

from pathlib import Path

import orjson

from orderflow.database.connection import Connection, Json, statement
from orderflow.dead_letters.resending import tend_dead_letters
from orderflow.events.announcements import inventory_changed, order_placed
from orderflow.events.models import Event, InventoryChanged, Tick, make_event
from orderflow.events.trigger import event
from orderflow.http.handler import log_as_routine
from orderflow.ids import uuid7
from orderflow.logs import bind_log_fields
from orderflow.resources import outbox, worker
from orderflow.stock.holds import expire_holds
from orderflow.traceparent import traceparent_or_new

HERE = Path(__file__).parent
CLAIM_OVERDUE_ORDERS = statement(HERE / "claim_overdue_orders.sql")
CLAIM_OVERDUE_CHANGES = statement(HERE / "claim_overdue_changes.sql")
SELECT_UNFILLED = statement(HERE / "select_unfilled.sql")
INSERT_EVENTS = statement(HERE / "insert_events.sql")
MARK_OVERDUE_ORDERS = statement(HERE / "mark_overdue_orders.sql")

AT_ONCE = 500  # of each kind a tick: what is left comes with the next
RELAYS = 20  # bounded batches a tick, so that a tick ends before the next one
PAUSES = {
    "longest_pause_s": 3_600,  # someone who mends a thing sees it move within the hour
    "without_effect": 8,  # announcements, so 42 minutes: no deploy or failover takes that long
    "last": 200,  # announcements, so 8 days, a week's holiday: what is forgotten costs no more
}


@event(Tick)
async def sweep(_: Tick) -> None:
    """Announce before the relay, which sends that too."""
    announced, relayed = await worker().submit(announce), await relay()
    offered = await worker().submit(offer)
    expired, marked = await expire_holds(), await worker().submit(mark)
    redriven = await tend_dead_letters()
    counts = {"relayed": relayed, "announced": announced, "offered": offered}
    counts |= {"expired": expired, "marked": marked, "redriven": redriven}
    bind_log_fields(**counts)
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


def announce(connection: Connection) -> int:
    """Put the events of what waits for too long into the outbox; return how many."""
    with connection.transaction():
        events = [*orders(connection), *changes(connection)]
        connection.run(INSERT_EVENTS, events=Json([made.row() for made in events]))
    return len(events)


def orders(connection: Connection) -> list[Event]:
    """Take orders that are pending for too long; each event is the one of its order's placing."""
    rows = connection.run(CLAIM_OVERDUE_ORDERS, count=AT_ONCE, **PAUSES)
    return [order_placed(order_id, orjson.loads(lines), *rest) for order_id, lines, *rest in rows]


def changes(connection: Connection) -> list[Event]:
    """Take inventory changes that are unapplied for too long; each event is that of its telling."""
    rows = connection.run(CLAIM_OVERDUE_CHANGES, count=AT_ONCE, **PAUSES)
    return [inventory_changed(*row) for row in rows]


def offer(connection: Connection) -> int:
    """Have an event of its own published for each item with stock to offer; return how many.

    Not through the outbox: what Kafka does not take is found again by the next tick.
    """
    events = unfilled(connection)
    connection.record(events)
    return len(events)


def unfilled(connection: Connection) -> list[Event]:
    """Make the events of items with stock to offer; no change and no order is behind them."""
    rows = connection.run(SELECT_UNFILLED, count=AT_ONCE)
    told = [{"item": item, "change_id": None} for (item,) in rows]
    source, trace = "/orderflow/sweep", traceparent_or_new(None)
    return [
        make_event(InventoryChanged, data, fact=uuid7(), source=source, traceparent=trace)
        for data in told
    ]


def mark(connection: Connection) -> int:
    """Ask a person about orders that nothing else can move; return how many."""
    return len(connection.run(MARK_OVERDUE_ORDERS, count=AT_ONCE))
