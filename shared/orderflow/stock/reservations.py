"""Orders and their stock: lock both, decide, move. What the functions that move orders share.

Everything about an item happens under the lock on its row in `stock`, taken in order of item and
before any order's. So a decision sees every decision before it, and nothing deadlocks.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from orderflow.database.connection import Conflicted, Connection, Json, statement
from orderflow.events.models import MOVED, Event, InventoryChanged, make_event
from orderflow.orders.states import Status
from orderflow.stock.allocation import OpenOrder

_HERE = Path(__file__).parent
LOCK_ORDERS = statement(_HERE / "lock_orders.sql")
INSERT_STOCK = statement(_HERE / "insert_stock.sql")
SELECT_AWAITED = statement(_HERE / "select_awaited.sql")
MOVE_ORDERS = statement(_HERE / "move_orders.sql")


@dataclass(frozen=True, slots=True)
class LockedOrder:
    """An order whose row this transaction holds. `lines` are JSON objects of item, quantity."""

    position: int
    order_id: str
    status: Status
    on_shortage: Any
    sequence: int
    traceparent: str
    lines: Sequence[Mapping[str, Any]]

    def needs(self) -> dict[str, int]:
        """Return the units wanted of each item, over all lines."""
        totals: dict[str, int] = {}
        for line in self.lines:
            totals[line["item"]] = totals.get(line["item"], 0) + line["quantity"]
        return totals

    def as_open(self) -> OpenOrder:
        """Return the order as allocation sees it."""
        return OpenOrder(self.position, self.needs(), self.on_shortage)


@dataclass(frozen=True, slots=True)
class LockedStock:
    """An item's stock whose row this transaction holds, in units."""

    item: str
    on_hand: int
    reserved: int
    fill_due: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """Orders by id and the stock of all their items by item."""

    orders: Mapping[str, LockedOrder]
    stock: Mapping[str, LockedStock]

    def free(self) -> dict[str, int]:
        """Return the units of each item that nobody has reserved."""
        return {item: stock.on_hand - stock.reserved for item, stock in self.stock.items()}


@dataclass(frozen=True, slots=True)
class Move:
    """An order's change of status and why."""

    order: LockedOrder
    enters: Status
    cause: str

    def frees(self) -> list[str]:
        """Return the items of which the move gives stock back."""
        gives_back = self.order.status == "confirmed" and self.enters == "cancelled"
        return list(self.order.needs()) if gives_back else []


@contextlib.contextmanager
def locked_orders(
    connection: Connection, order_ids: Iterable[str], *, also: Sequence[str] = ()
) -> Iterator[Locked]:
    """Run the block in a transaction that holds the orders that exist and their items' stock.

    `also` are further items to hold.

    Raises `Conflicted`, which makes the transaction run again, when an item had no row yet; it
    has one then.
    """
    try:
        with connection.transaction():
            yield _lock(connection, sorted(set(order_ids)), list(also))
    except _UnknownItems as unknown:
        give_rows(connection, unknown.items)
        raise


def give_rows(connection: Connection, items: Iterable[str]) -> None:
    """Give each item a row of no stock, unless it has one. The row is its lock."""
    connection.run(INSERT_STOCK, items=sorted(set(items)))


def awaited_items(connection: Connection, items: Iterable[str]) -> list[str]:
    """Return those of the locked items that somebody waits for."""
    wanted = sorted(set(items))
    return [item for (item,) in connection.run(SELECT_AWAITED, items=wanted)] if wanted else []


def move_orders(connection: Connection, moves: Sequence[Move], *, source: str) -> None:
    """Write the moves of locked orders with all that belongs to them, and record their events.

    Where a move frees stock that others wait for, an event offers it to them.

    Raises `Conflicted` when an order is no longer in the status it had when it was locked.
    """
    if not moves:
        return
    awaited = awaited_items(connection, (item for move in moves for item in move.frees()))
    events = [[_event(move, source), *_nudges(move, awaited, source)] for move in moves]
    rows = [_row(move, made) for move, made in zip(moves, events, strict=True)]
    if len(connection.run(MOVE_ORDERS, moves=Json(rows))) != len(moves):
        raise Conflicted("an order changed under its lock")
    connection.record(chain.from_iterable(events))


def _event(move: Move, source: str) -> Event:
    order = move.order
    data = {"order_id": order.order_id, "lines": order.lines, "cause": move.cause}
    return make_event(
        MOVED[move.enters],
        data,
        sequence=order.sequence + 1,
        source=source,
        traceparent=order.traceparent,
    )


def _nudges(move: Move, awaited: Collection[str], source: str) -> list[Event]:
    order, fact = move.order, f"freed by {move.order.order_id}"
    offered = [{"item": item, "change_id": None} for item in move.frees() if item in awaited]
    return [
        make_event(InventoryChanged, data, source=source, traceparent=order.traceparent, fact=fact)
        for data in offered
    ]


def _row(move: Move, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "position": move.order.position,
        "leaves": move.order.status,
        "enters": move.enters,
        "cause": move.cause,
        "events": [event.row() for event in events],
    }


def _lock(connection: Connection, order_ids: list[str], items: list[str]) -> Locked:
    ((answer,),) = connection.run(LOCK_ORDERS, order_ids=order_ids, items=items)
    found = orjson.loads(answer)
    if found["unknown_items"]:
        raise _UnknownItems(found["unknown_items"])
    return Locked(
        {row["order_id"]: LockedOrder(**row) for row in found["orders"]},
        {row["item"]: LockedStock(**row) for row in found["stock"]},
    )


class _UnknownItems(Conflicted):
    def __init__(self, items: list[str]) -> None:
        super().__init__("new items")
        self.items = items
