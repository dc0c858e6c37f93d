"""What is known of one order: what callers see of it, and the facts that tell why it waits."""

from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict

from orderflow.database.connection import Connection, statement
from orderflow.events.messages import event_id
from orderflow.events.models import OrderPlaced
from orderflow.orders.states import Status

SELECT_ORDER = statement(__file__, "select_order.sql")

MAX_COUNTED = 10_000  # of a queue, in a millisecond or two: a person wants to know no more


class Fact(BaseModel):
    """Base of what the database says. Times are text, as callers see them."""

    model_config = ConfigDict(frozen=True)


class Letter(Fact):
    """A dead letter that is kept; `sendable` if it can be redriven."""

    id: int
    error: str
    sendable: bool


class Queue(Fact):
    """An item that a backordered order waits for, in units.

    `free` is below zero after a count lower than what is promised. `ahead` orders stand before it
    and want `ahead_units`; `unapplied` counts the item's changes that are told and not applied.
    No more than `MAX_COUNTED` are counted.
    """

    item: str
    needs: int
    free: int
    ahead: int = 0
    ahead_units: int = 0
    fill_due: bool = False
    unapplied: int = 0
    letter: Letter | None = None

    @property
    def short_by(self) -> int:
        """The units that are missing for this order alone."""
        return max(self.needs - self.free, 0)

    @property
    def more_ahead(self) -> bool:
        """Whether more orders may stand before it than were counted."""
        return self.ahead >= MAX_COUNTED


class Shortage(Fact):
    """An item that is not on hand for a confirmed order: less was counted than is reserved."""

    item: str
    needs: int
    on_hand: int
    reserved: int


class Attempts(Fact):
    """Failed attempts to process the order's event."""

    failures: int
    last_error: str
    last_failed_at: str


class Unsent(Fact):
    """The order's oldest event that its writer has not got to Kafka in its time, 5 s."""

    type: str
    since: str


class Facts(Fact):
    """Why an order waits. `due_at` is None when sweep won't look at it again.

    `offered` are its items whose free stock is being offered to those who wait longer.
    """

    order_id: str
    status: Status
    hold_minutes: int | None = None
    announcements: int = 1
    due_at: str | None = None
    is_overdue: bool = False
    attention: str | None = None
    queues: tuple[Queue, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    offered: tuple[str, ...] = ()
    attempts: Attempts | None = None
    letter: Letter | None = None
    unsent: Unsent | None = None


class FoundOrder(NamedTuple):
    """An order as callers see it, its history included, and the facts about its waiting."""

    order: dict[str, Any]
    facts: Facts


def find_order(
    connection: Connection, order_id: str, owner: str | None = None
) -> FoundOrder | None:
    """Read everything about one order in one statement; None if there is none of the owner's."""
    placed = event_id(OrderPlaced, order_id, 1)
    wanted = {"order_id": order_id, "event_id": placed, "owner": owner}
    rows = connection.run(SELECT_ORDER, **wanted, most=MAX_COUNTED)
    if not rows:
        return None
    return FoundOrder(orjson.loads(rows[0][0]), Facts.model_validate_json(rows[0][1]))
