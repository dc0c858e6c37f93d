"""PingSource, every 10 s: nothing that waits is forgotten, whatever Kafka lost.

Publishes what the outbox still holds; announces again orders pending, inventory changes unapplied
and backorders unfilled for too long; cancels what is held too long; asks a person about the rest;
sends dead letters that are redriven. Writes orders, inventory_changes, outbox, dead_letters,
redriven_letters and attempts, and what a cancellation writes; emits orderflow.order.placed.v1,
orderflow.inventory.changed.v1, orderflow.order.cancelled.v1 and the redriven events.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson

from orderflow.announcements import change_told, order_placed
from orderflow.batch import worker
from orderflow.database import Connection, statement
from orderflow.events import Event, InventoryChanged, Tick, make_event
from orderflow.holds import expire_holds
from orderflow.ids import uuid7
from orderflow.outbox import outbox
from orderflow.resending import tend_dead_letters
from orderflow.trace import continued
from orderflow.trigger import event
from orderflow.web import note

HERE = Path(__file__).parent
CLAIM_OVERDUE_ORDERS = statement(HERE / "claim_overdue_orders.sql")
CLAIM_OVERDUE_CHANGES = statement(HERE / "claim_overdue_changes.sql")
SELECT_UNFILLED = statement(HERE / "select_unfilled.sql")
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
    """Relay first: what it sends need not be announced."""
    relayed = await relay()
    announced = await announce(orders) + await announce(changes) + await announce(unfilled)
    expired, marked = await expire_holds(), await worker().submit(mark)
    redriven = await tend_dead_letters()
    note(relayed=relayed, announced=announced, expired=expired, marked=marked, redriven=redriven)


async def relay() -> int:
    """Publish what writers left in the outbox, until it is empty or Kafka does not answer."""
    total = 0
    for _ in range(RELAYS):
        found, sent = await outbox().relay_once()
        total += sent
        if sent < found or not found:
            break
    return total


async def announce(overdue: Callable[[Connection], list[Event]]) -> int:
    """Publish the events of one kind of overdue things; return how many."""
    events = await worker().submit(overdue)
    await asyncio.gather(*outbox().publish_all(events))
    return len(events)


def orders(connection: Connection) -> list[Event]:
    """Take orders that are pending for too long; each event is the one of its order's placing."""
    rows = connection.run(CLAIM_OVERDUE_ORDERS, count=AT_ONCE, **PAUSES)
    return [order_placed(order_id, orjson.loads(lines), *rest) for order_id, lines, *rest in rows]


def changes(connection: Connection) -> list[Event]:
    """Take inventory changes that are unapplied for too long; each event is that of its telling."""
    rows = connection.run(CLAIM_OVERDUE_CHANGES, count=AT_ONCE, **PAUSES)
    return [change_told(*row) for row in rows]


def unfilled(connection: Connection) -> list[Event]:
    """Find items with stock to offer; an event of its own each time."""
    rows = connection.run(SELECT_UNFILLED, count=AT_ONCE)
    return [offered(item) for (item,) in rows]


def offered(item: str) -> Event:
    """Make an event of an item that no change and no order is behind."""
    data, source = {"item": item, "change_id": None}, "/orderflow/sweep"
    trace = continued(None)
    return make_event(InventoryChanged, data, fact=uuid7(), source=source, traceparent=trace)


def mark(connection: Connection) -> int:
    """Ask a person about orders that nothing else can move; return how many."""
    return len(connection.run(MARK_OVERDUE_ORDERS, count=AT_ONCE))
