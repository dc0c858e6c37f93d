"""PingSource, every 10 s: nothing that waits is forgotten, whatever Kafka lost.

Publishes what the outbox still holds; announces again orders pending, inventory changes unapplied
and backorders unfilled for too long. Writes orders, inventory_changes and outbox; emits
orderflow.order.placed.v1 and orderflow.inventory.changed.v1.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from orderflow.batch import worker
from orderflow.database import Connection, statement
from orderflow.events import Event, InventoryChanged, OrderPlaced, Tick, make_event
from orderflow.ids import uuid7
from orderflow.outbox import outbox
from orderflow.trace import continued
from orderflow.trigger import event
from orderflow.web import note

HERE = Path(__file__).parent
CLAIM_OVERDUE_ORDERS = statement(HERE / "claim_overdue_orders.sql")
CLAIM_OVERDUE_CHANGES = statement(HERE / "claim_overdue_changes.sql")
SELECT_UNFILLED = statement(HERE / "select_unfilled.sql")

ANNOUNCED_AT_ONCE = 500  # of each kind a tick: what is left comes with the next
RELAYS = 20  # bounded batches a tick, so that a tick ends before the next one
SOURCE = "/orderflow/sweep"


@event(Tick)
async def sweep(_: Tick) -> None:
    """Relay first: what it sends need not be announced."""
    relayed = await relay()
    announced = await announce(orders) + await announce(changes) + await announce(unfilled)
    note(relayed=relayed, announced=announced)


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
    """Take overdue orders; their events carry the ids of the first announcement."""
    rows = connection.run(CLAIM_OVERDUE_ORDERS, count=ANNOUNCED_AT_ONCE)
    return [
        make_event(
            OrderPlaced, orjson.loads(data), sequence=1, source=SOURCE, traceparent=traceparent
        )
        for traceparent, data in rows
    ]


def changes(connection: Connection) -> list[Event]:
    """Take overdue inventory changes; their events carry the ids of the first announcement."""
    rows = connection.run(CLAIM_OVERDUE_CHANGES, count=ANNOUNCED_AT_ONCE)
    return [_inventory_changed(orjson.loads(data), traceparent) for traceparent, data in rows]


def unfilled(connection: Connection) -> list[Event]:
    """Find items with stock to offer; an event of its own each time."""
    rows = connection.run(SELECT_UNFILLED, count=ANNOUNCED_AT_ONCE)
    return [
        _inventory_changed({"item": item, "change_id": None}, continued(None)) for (item,) in rows
    ]


def _inventory_changed(data: dict[str, Any], traceparent: str) -> Event:
    fact = data["change_id"] or uuid7()
    return make_event(InventoryChanged, data, fact=fact, source=SOURCE, traceparent=traceparent)
