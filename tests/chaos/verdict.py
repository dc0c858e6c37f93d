"""Whether all that callers were told is true, and no promise is broken."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from orderflow.database.connection import statement
from orderflow_cli.audit.proof import Proof, prove
from tests.chaos.load import Told
from tests.chaos.site import Site

SELECT_ORDERS = statement(__file__, "select_orders.sql")
SELECT_CHANGES = statement(__file__, "select_changes.sql")
SELECT_UNSETTLED = statement(__file__, "select_unsettled.sql")
SELECT_LEFT = statement(__file__, "select_left.sql")
SELECT_STOCK = "SELECT item, on_hand FROM stock"

Ids = Mapping[tuple[str, int], set[str]]


class Left(NamedTuple):
    """What has not come to an end."""

    orders_pending: int
    changes_unapplied: int
    items_to_fill: int
    events_unsent: int
    dead_letters: int


def left(site: Site) -> Left:
    """Count what waits."""
    (row,) = site.query(SELECT_LEFT)
    return Left(*row)


def untrue(site: Site, told: Told) -> Iterator[str]:
    """Name what callers were told and is not so."""
    yield from told.troubles
    yield from orders_untrue(told, {i: status for i, status, _ in site.query(SELECT_ORDERS)})
    yield from changes_untrue(told, {i: (what, n) for i, what, n in site.query(SELECT_CHANGES)})
    yield from shelves_untrue(told, dict(site.query(SELECT_STOCK)))


def orders_untrue(told: Told, statuses: Mapping[str, str]) -> Iterator[str]:
    """Name orders that are not there, or have become what they could not."""
    for order_id, body in told.orders.items():
        may_be = {told.becomes[order_id]} if order_id in told.becomes else outcomes(body)
        if statuses.get(order_id) not in may_be:
            yield f"{order_id} is {statuses.get(order_id, 'lost')}, not {' or '.join(may_be)}"


def outcomes(body: dict[str, Any]) -> set[str]:
    """What becomes of an order that its caller leaves alone."""
    short = "rejected" if body["on_shortage"] == "reject" else "backordered"
    return {"confirmed", short} | ({"cancelled"} if "hold_minutes" in body else set())


def changes_untrue(told: Told, changes: Mapping[str, tuple[str, int]]) -> Iterator[str]:
    """Name changes that are not there, or are not in the ledger just once."""
    for change_id, body in told.changes.items():
        outcome, entries = changes.get(change_id, ("lost", 0))
        superseded = outcome == "superseded" and "stock" in body
        if entries != (0 if superseded else 1):
            yield f"{change_id} is {outcome} and {entries} times in the ledger"


def shelves_untrue(told: Told, stock: Mapping[str, int]) -> Iterator[str]:
    """Name items of which another number is on hand than what was told makes."""
    for item, units in told.on_hand().items():
        if stock.get(item) != units:
            yield f"{stock.get(item)} of {item} are on hand; by what was told it is {units}"


def events_untrue(site: Site, ids: Ids) -> Iterator[str]:
    """Name moves that were told as two events, and, if the broker forgets nothing, as none."""
    for (order_id, sequence), told in ids.items():
        if len(told) > 1:
            yield f"event {sequence} of {order_id} has the ids {sorted(told)}"
    moved = site.query(SELECT_ORDERS) if site.broker.keeps_its_log else []
    for order_id, _, last in moved:
        for sequence in range(2, last + 1):
            if (order_id, sequence) not in ids:
                yield f"event {sequence} of {order_id} was never told"


def proof(site: Site, accepted: Iterable[str]) -> Proof:
    """The promises, counted over the whole database."""
    with site.connection() as connection:
        return prove(connection, list(accepted))
