"""Orders moved from one status to another, with the stock that goes with it."""

from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from orderflow.database.connection import Conflicted, Connection, Json, statement
from orderflow.database.event import Event
from orderflow.events.messages import make_event, stock_freed
from orderflow.events.models import MOVED
from orderflow.orders.states import Status
from orderflow.stock.locking import Locked, LockedOrder, backordered_items
from orderflow.tracing.spans import continued

MOVE_ORDERS = statement(__file__, "move_orders.sql")
MARK_SHORTAGES = statement(__file__, "mark_shortages.sql")

MAX_MARKED = 1_000  # orders of an item at a time: a person reads fewer, and the rest come after


class Move(NamedTuple):
    """An order's change of status and why.

    `blocked_by` is an item that a backorder lacks, `asked_by` the subject who asked for the move.
    """

    order: LockedOrder
    enters: Status
    cause: str
    blocked_by: str | None = None
    asked_by: str | None = None

    def frees(self) -> list[str]:
        """Return the items of which the move gives stock back."""
        gives_back = self.order.status == "confirmed" and self.enters == "cancelled"
        return list(self.order.needs) if gives_back else []

    def events(self, awaited: Collection[str], source: str) -> list[Event]:
        """Return the event of the move, and those that offer stock it frees to who awaits it."""
        order = self.order
        trace = continued(order.order_id, order.traceparent)
        data = {"order_id": order.order_id, "lines": order.lines, "cause": self.cause}
        number, model = order.sequence + 1, MOVED[self.enters]
        moved = make_event(model, data, sequence=number, source=source, traceparent=trace)
        fact, freed = f"freed by {order.order_id}", [i for i in self.frees() if i in awaited]
        return [moved, *(stock_freed(i, fact, source=source, traceparent=trace) for i in freed)]


def move_orders(
    connection: Connection, locked: Locked, moves: Sequence[Move], *, source: str
) -> None:
    """Write the moves of locked orders with all that belongs to them, and record their events.

    Where a move frees stock that others wait for, an event offers it to them.

    Raises `Conflicted` when an order is no longer in the status it had when it was locked.
    """
    if not moves:
        return
    awaited = backordered_items(connection, (item for move in moves for item in move.frees()))
    events = [move.events(awaited, source) for move in moves]
    rows = [
        {
            "position": move.order.position,
            "leaves": move.order.status,
            "enters": move.enters,
            "cause": move.cause,
            "asked_by": move.asked_by,
            "blocked_by": move.blocked_by,
            "blocked_quantity": move.order.needs.get(move.blocked_by or ""),
            "events": [event._asdict() for event in made],
        }
        for move, made in zip(moves, events, strict=True)
    ]
    if connection.value(MOVE_ORDERS, moves=Json(rows)) != len(moves):
        raise Conflicted("an order changed under its lock")
    mark_shortages(connection, (s.item for s in locked.stock.values() if s.reserved > s.on_hand))
    connection.record(chain.from_iterable(events))


def mark_shortages(connection: Connection, items: Iterable[str]) -> None:
    """Say on the confirmed orders of locked items which can't be shipped, and of no others.

    To be called after each change of an item of which less is, or was, on hand than reserved.
    """
    if short := sorted(items):
        connection.run(MARK_SHORTAGES, items=short, count=MAX_MARKED)
