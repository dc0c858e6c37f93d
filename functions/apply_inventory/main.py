"""KafkaSource on `inventory`: applies an item's changes, then fills backorders, first come first.

Writes stock, stock_ledger, inventory_changes, orders, order_history, backorders and outbox; emits
orderflow.order.confirmed.v1.
"""

from collections.abc import Sequence
from itertools import groupby, takewhile
from operator import itemgetter
from pathlib import Path
from typing import Any

from orderflow.batch import Batch
from orderflow.database import Connection, retrying, statement
from orderflow.errors import Later, OrderFlowError
from orderflow.events import Event, InventoryChanged
from orderflow.outbox import publish
from orderflow.stock.allocation import allocate
from orderflow.stock.counting import Change, apply_changes
from orderflow.stock.reservations import Move, awaited_items, give_rows, locked_orders, move_orders
from orderflow.trigger import event
from orderflow.web import note

HERE = Path(__file__).parent
LOCK_ITEMS = statement(HERE / "lock_items.sql")
SELECT_CHANGES = statement(HERE / "select_changes.sql")
APPLY_CHANGES = statement(HERE / "apply_changes.sql")
SELECT_FILLABLE = statement(HERE / "select_fillable.sql")
FINISH_FILLING = statement(HERE / "finish_filling.sql")

FILL_BATCH = 200  # orders a transaction: it holds the stock of all their items
MAX_FILLS = 50  # transactions a call, so 10,000 orders; the rest comes with the next delivery


@event(InventoryChanged)
async def apply_inventory(changed: InventoryChanged) -> None:
    """Bring the item up to date; the event says only which."""
    note(item=changed.item)
    for filled in await update(changed.item):
        publish(filled)


def update_items(
    connection: Connection, items: Sequence[str]
) -> list[list[Event] | OrderFlowError]:
    """Apply the items' changes in one transaction, then fill backorders in small ones."""
    give_rows(connection, items)
    with connection.transaction():
        awaited = apply_open_changes(connection, sorted(set(items)))
    filled = {item: fill(connection, item) for item in awaited}
    return [filled.pop(item, []) for item in items]


update = Batch(update_items)


def apply_open_changes(connection: Connection, items: list[str]) -> list[str]:
    """Lock the items, apply what is open, and return those that somebody waits for."""
    shelves = {item: shelf for item, *shelf in connection.run(LOCK_ITEMS, items=items)}
    applied: list[dict[str, Any]] = []
    open_changes = connection.run(SELECT_CHANGES, items=items)
    for item, rows in groupby(open_changes, key=itemgetter(0)):
        on_hand, counted_at = shelves[item]
        changes = [Change(*row[1:]) for row in rows]
        applied += [done.row(item) for done in apply_changes(on_hand, counted_at, changes)]
    if applied:
        connection.run(APPLY_CHANGES, applied=applied)
    return awaited_items(connection, items)


def fill(connection: Connection, item: str) -> list[Event] | OrderFlowError:
    """Offer the item's free stock to those who wait for it until no order fits."""
    events: list[Event] = []
    items = {item}
    for _ in range(MAX_FILLS):
        more, filled = retrying(lambda: fill_once(connection, item, items))
        events += filled
        if not more:
            return events
    return Later(f"there are more backorders of {item} to fill")


def fill_once(connection: Connection, item: str, items: set[str]) -> tuple[bool, list[Event]]:
    """Fill a bounded number of backorders; say whether more of the item could be.

    An order that waits for two items with stock to offer stands in both queues, so these are
    served as one: `items` grows by those met here. Which orders fit is read first without locks,
    to know what to lock, and again under them: what fits then and is locked, up to the first that
    is not, is first come first filled.
    """
    with locked_orders(connection, fillable(connection, items), also=sorted(items)) as locked:
        items |= {stock.item for stock in locked.stock.values() if stock.fill_due}
        first = takewhile(locked.orders.__contains__, fillable(connection, items))
        decisions = allocate([locked.orders[i].as_open() for i in first], locked.free())
        by_position = {order.position: order for order in locked.orders.values()}
        moves = [
            Move(by_position[decision.order.position], "confirmed", "filled after a restock")
            for decision in decisions
            if decision.outcome == "confirmed"
        ]
        moved = move_orders(connection, moves, source="/orderflow/apply_inventory")
        ((more,),) = connection.run(FINISH_FILLING, item=item)
    return more, [event for events in moved.values() for event in events]


def fillable(connection: Connection, items: set[str]) -> list[str]:
    """Return the ids of the first waiting orders that fit, in order of arrival."""
    rows = connection.run(SELECT_FILLABLE, items=sorted(items), count=FILL_BATCH)
    return [order_id for (order_id,) in rows]
