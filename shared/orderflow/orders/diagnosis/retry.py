"""Another start for what announcements have not moved, as a person asks."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from orderflow.database.connection import Connection, retrying, statement
from orderflow.errors import Conflict, NotFound, OrderFlowError
from orderflow.events.attempts import forget_attempts
from orderflow.events.messages import event_id
from orderflow.events.models import InventoryChanged, OrderPlaced

ANNOUNCE_ORDERS_NOW = statement(__file__, "announce_orders_now.sql")
ANNOUNCE_CHANGES_NOW = statement(__file__, "announce_changes_now.sql")
SELECT_MARKED = statement(__file__, "select_marked.sql")
SELECT_STATUSES = statement(__file__, "select_statuses.sql")

AT_ONCE = 500  # of each kind a transaction: as many as sweep announces in a tick
MAX_ROUNDS = 2_000  # so a million of each: what is marked meanwhile is for the next call
SOON = "will be announced within 10 s"  # with sweep's next tick


class Retried(NamedTuple):
    """What will be announced by the next tick: orders, and changes as `ITEM: CHANGE_ID`."""

    orders: list[str]
    changes: list[str]


def retry_orders(
    connection: Connection, order_ids: Sequence[str]
) -> tuple[list[str], list[OrderFlowError]]:
    """Have pending orders announced anew; return their ids, and why each of the others is not.

    That is a `NotFound` or a `Conflict`.
    """
    again = retrying(partial(_announce_orders, connection, order_ids))
    rows = connection.run(SELECT_STATUSES, order_ids=list(order_ids))
    statuses: dict[str, str] = dict(rows)
    others = [order_id for order_id in dict.fromkeys(order_ids) if order_id not in again]
    return again, [_refusal(order_id, statuses.get(order_id)) for order_id in others]


def retry_marked(connection: Connection, *, at_once: int = AT_ONCE) -> Iterator[Retried]:
    """Have all pending orders and unapplied changes announced anew that ask for a person.

    Yields what each transaction did, at most `at_once` of each kind, once it is committed.
    """
    for _ in range(MAX_ROUNDS):
        rows = connection.run(SELECT_MARKED, count=at_once)
        order_ids = [name for kind, name in rows if kind == "order"]
        change_ids = [name for kind, name in rows if kind == "change"]
        if not rows:
            return
        yield Retried(
            retrying(partial(_announce_orders, connection, order_ids)),
            retrying(partial(_announce_changes, connection, change_ids)),
        )


def _announce_orders(connection: Connection, order_ids: Sequence[str]) -> list[str]:
    with connection.transaction():
        rows = connection.run(ANNOUNCE_ORDERS_NOW, order_ids=list(order_ids))
        again = [order_id for (order_id,) in rows]
        forget_attempts(connection, (event_id(OrderPlaced, name, 1) for name in again))
    return again


def _announce_changes(connection: Connection, change_ids: Sequence[str]) -> list[str]:
    with connection.transaction():
        rows = connection.run(ANNOUNCE_CHANGES_NOW, change_ids=list(change_ids))
        forget_attempts(connection, (event_id(InventoryChanged, *row) for row in rows))
    return [f"{item}: {change_id}" for item, change_id in rows]


def _refusal(order_id: str, status: str | None) -> OrderFlowError:
    if status is None:
        return NotFound(f"there is no order {order_id}")
    return Conflict(f"order {order_id} is {status}; only what is pending is announced again")
