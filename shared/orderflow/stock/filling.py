"""Free stock goes to those who wait for it, first come first filled.

Whoever comes upon an item whose stock was not offered yet offers it: so nothing hangs on the one
event that was to see to it.
"""

from itertools import takewhile

from orderflow.database.connection import Connection, Json, retrying, statement
from orderflow.errors import Later
from orderflow.stock.locking import Locked, LockedOrder, locked_orders
from orderflow.stock.moves import Move, move_orders

SELECT_FILLABLE = statement(__file__, "select_fillable.sql")
BLOCK_ORDERS = statement(__file__, "block_orders.sql")
FINISH_FILLING = statement(__file__, "finish_filling.sql")

FILL_BATCH = 200  # orders a transaction: it holds the stock of all their items
FEW = 1_000  # orders of an item that fit: so many are read and sorted in some milliseconds
MAX_FILLS = 50  # transactions a call, so 10,000 orders; the rest comes with the next delivery


def fill(connection: Connection, item: str, *, source: str) -> Later | None:
    """Offer the item's free stock to those who wait for it until no order fits.

    Return an error if there are more than it may fill. Each transaction of it is tried again
    after a conflict.
    """
    items = {item}
    for _ in range(MAX_FILLS):
        if not retrying(lambda: fill_once(connection, item, items, source)):
            return None
    return Later(f"there are more backorders of {item} to fill")


def fill_once(connection: Connection, item: str, items: set[str], source: str) -> bool:
    """Look at a bounded number of backorders; say whether more of the item are to be looked at.

    Each of them is filled, or is said to be blocked by an item that it lacks: then it is not looked
    at again until there is more of that. An order that waits for two items with stock to offer
    stands in both queues, so these are served as one: `items` grows by those of orders that fit.
    Which orders to lock is read first without locks, and again under them: what is locked, up to
    the first that is not, is first come first filled.
    """
    with locked_orders(connection, _first_in_line(connection, items), also=items) as locked:
        items |= {i for order in _fitting(locked) for i in order.needs if locked.stock[i].fill_due}
        first = takewhile(locked.orders.__contains__, _first_in_line(connection, items))
        decided = locked.allocate([locked.orders[order_id] for order_id in first])
        filled = [
            Move(order, "confirmed", "filled after a restock")
            for order, decision in decided
            if decision.blocked_by is None
        ]
        move_orders(connection, locked, filled, source=source)
        blocked = [
            {"position": order.position, "blocked_by": by, "quantity": order.needs[by]}
            for order, decision in decided
            if (by := decision.blocked_by) is not None
        ]
        connection.run(BLOCK_ORDERS, found=Json(blocked))
        ((more,),) = connection.run(FINISH_FILLING, item=item)
    return bool(more)


def _fitting(locked: Locked) -> list[LockedOrder]:
    waiting = [order for order in locked.orders.values() if order.status == "backordered"]
    free = {stock.item: stock.on_hand - stock.reserved for stock in locked.stock.values()}
    return [o for o in waiting if all(units <= free[item] for item, units in o.needs.items())]


def _first_in_line(connection: Connection, items: set[str]) -> list[str]:
    """Return the ids of the first waiting orders that may fit, in order of arrival."""
    rows = connection.run(SELECT_FILLABLE, items=sorted(items), few=FEW, count=FILL_BATCH)
    return [order_id for (order_id,) in rows]
