"""Orders and the stock of their items, locked: what every decision is made on.

Everything about an item happens under the lock on its row in `stock`, taken in order of item and
before any order's. So a decision sees every decision before it, and nothing deadlocks.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from orderflow.database.connection import Conflicted, Connection, statement
from orderflow.orders.states import Status
from orderflow.stock.allocation import OpenOrder

_HERE = Path(__file__).parent
LOCK_STOCK = statement(_HERE / "lock_stock.sql")
LOCK_STOCK_SKIP_LOCKED = statement(_HERE / "lock_stock_skip_locked.sql")
LOCK_ORDERS = statement(_HERE / "lock_orders.sql")
INSERT_STOCK = statement(_HERE / "insert_stock.sql")
SELECT_BACKORDERED = statement(_HERE / "select_backordered.sql")


class LockedOrder(NamedTuple):
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

    def free(self) -> dict[str, int]:
        """Return the units of each item that nobody has reserved."""
        return {item: stock.on_hand - stock.reserved for item, stock in self.stock.items()}


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
    orders of those that another transaction holds.

    Raises `Conflicted`, which makes the transaction run again, when an item had no row yet; it
    has one then.
    """
    wanted = {"order_ids": sorted(set(order_ids)), "items": sorted(also)}
    try:
        with connection.transaction():
            rows = connection.run(LOCK_STOCK_SKIP_LOCKED if skip_locked else LOCK_STOCK, **wanted)
            stock = {i: LockedStock(i, *figures) for i, *figures in rows if figures[0] is not None}
            if len(stock) < len(rows) and not skip_locked:
                raise _UnknownItems([item for item, *_ in rows if item not in stock])
            ((orders,),) = connection.run(LOCK_ORDERS, order_ids=wanted["order_ids"])
            locked = [LockedOrder(**row) for row in orjson.loads(orders)]
            # An order that was placed between the two statements comes too late.
            held = {o.order_id: o for o in locked if o.needs().keys() <= stock.keys()}
            yield Locked(held, stock)
    except _UnknownItems as unknown:
        ensure_stock_rows(connection, unknown.items)
        raise


def ensure_stock_rows(connection: Connection, items: Iterable[str]) -> None:
    """Give each item a row of no stock, unless it has one. The row is its lock."""
    connection.run(INSERT_STOCK, items=sorted(set(items)))


def backordered_items(connection: Connection, items: Iterable[str]) -> list[str]:
    """Return those of the locked items that backorders wait for."""
    wanted = sorted(set(items))
    return [item for (item,) in connection.run(SELECT_BACKORDERED, items=wanted)] if wanted else []


class _UnknownItems(Conflicted):
    def __init__(self, items: list[str]) -> None:
        super().__init__("new items")
        self.items = items
