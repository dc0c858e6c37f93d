"""Orders and the stock of their items, locked: what every decision is made on.

Everything about an item happens under the lock on its row in `stock`, taken in order of item and
before any order's. So a decision sees every decision before it, and nothing deadlocks.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from orderflow.database.connection import Conflicted, Connection, statement
from orderflow.orders.states import Status
from orderflow.stock.allocation import Decision, OpenOrder, allocate

LOCK_STOCK = statement(__file__, "lock_stock.sql")
LOCK_ORDERS = statement(__file__, "lock_orders.sql")
INSERT_STOCK = statement(__file__, "insert_stock.sql")
SELECT_BACKORDERED = statement(__file__, "select_backordered.sql")


class LockedOrder(NamedTuple):
    """An order whose row this transaction holds.

    `lines` are JSON objects of item and quantity; `needs` are the units of each item in them.
    """

    position: int
    order_id: str
    placed_by: str
    status: Status
    on_shortage: Any
    sequence: int
    traceparent: str
    lines: Sequence[Mapping[str, Any]]
    needs: Mapping[str, int]

    @property
    def may_move_stock(self) -> bool:
        """Whether its next move changes stock, or a queue for it, whatever there is."""
        waits = self.status == "pending" and self.on_shortage == "backorder"
        return waits or self.status in {"confirmed", "backordered"}


class LockedStock(NamedTuple):
    """An item's stock whose row this transaction holds, in units."""

    item: str
    on_hand: int
    reserved: int
    fill_due: bool


class Locked(NamedTuple):
    """Orders by id and the stock of all their items by item."""

    orders: Mapping[str, LockedOrder]
    stock: Mapping[str, LockedStock]

    def allocate(self, orders: Iterable[LockedOrder]) -> list[tuple[LockedOrder, Decision]]:
        """Have some of the orders decided on, in order of arrival, by what nobody has reserved."""
        wanting = {order.position: order for order in orders}
        free = {item: stock.on_hand - stock.reserved for item, stock in self.stock.items()}
        asked = (OpenOrder(o.position, o.needs, o.on_shortage) for o in wanting.values())
        return [(wanting[done.order.position], done) for done in allocate(asked, free)]


@contextlib.contextmanager
def locked_orders(
    connection: Connection,
    order_ids: Iterable[str],
    *,
    also: Iterable[str] = (),
    skip_locked: bool = False,
) -> Iterator[Locked]:
    """Run the block in a transaction that holds the orders that exist and their items' stock.

    `also` are further items to hold. With `skip_locked` it waits for no item, and leaves out the
    orders of those that another transaction holds. An item that has no row and needs none, because
    only orders want it that do not wait, has no stock.

    Raises `Conflicted`, which makes the transaction run again, when an item lacks the row that it
    needs; it has one then.
    """
    ids, items = sorted(set(order_ids)), sorted(also)
    try:
        with connection.transaction():
            stock, absent = _locked_stock(connection, ids, items, skip_locked)
            rows = connection.value(LOCK_ORDERS, order_ids=ids)
            orders = [LockedOrder(**row, needs=_summed(row["lines"])) for row in rows]
            # An order that was placed between the two statements comes too late.
            held = {o.order_id: o for o in orders if o.needs.keys() <= stock.keys()}
            if any(o.may_move_stock and absent & o.needs.keys() for o in held.values()):
                raise Conflicted("an item got stock meanwhile")
            yield Locked(held, stock)
    except _UnknownItems as unknown:
        ensure_stock_rows(connection, unknown.items)
        raise


def _locked_stock(
    connection: Connection, order_ids: list[str], items: list[str], skip_locked: bool
) -> tuple[dict[str, LockedStock], set[str]]:
    """Lock the stock; return it, and which of it has no row and needs none."""
    rows = connection.value(LOCK_STOCK, order_ids=order_ids, items=items, skip_locked=skip_locked)
    stock = {i: LockedStock(i, *figures) for i, _, *figures in rows if figures[0] is not None}
    if skip_locked:
        return stock, set()
    if unknown := [item for item, needs_row, *_ in rows if needs_row and item not in stock]:
        raise _UnknownItems(unknown)
    absent = {item for item, *_ in rows} - stock.keys()
    return stock | {item: LockedStock(item, 0, 0, fill_due=False) for item in absent}, absent


def ensure_stock_rows(connection: Connection, items: Iterable[str]) -> None:
    """Give each item a row of no stock, unless it has one. The row is its lock."""
    connection.run(INSERT_STOCK, items=sorted(set(items)))


def backordered_items(connection: Connection, items: Iterable[str]) -> list[str]:
    """Return those of the locked items that backorders wait for."""
    wanted = sorted(set(items))
    return [item for (item,) in connection.run(SELECT_BACKORDERED, items=wanted)] if wanted else []


def _summed(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for line in lines:
        totals[line["item"]] = totals.get(line["item"], 0) + line["quantity"]
    return totals


class _UnknownItems(Conflicted):
    def __init__(self, items: list[str]) -> None:
        super().__init__("new items")
        self.items = items
