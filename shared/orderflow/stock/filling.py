"""Free stock goes to those who wait for it, first come first filled.

Whoever comes upon an item whose stock was not offered yet offers it: so nothing hangs on the one
event that was to see to it.
"""

from itertools import takewhile

from orderflow.database.connection import Connection, retrying, statement
from orderflow.errors import Later
from orderflow.stock.locking import locked_orders
from orderflow.stock.moves import Move, move_orders

SELECT_FILLABLE = statement(__file__, "select_fillable.sql")
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
    """Fill a bounded number of backorders; say whether more of the item could be.

    An order that waits for two items with stock to offer stands in both queues, so these are
    served as one: `items` grows by those met here. Which orders fit is read first without locks,
    to know what to lock, and again under them: what fits then and is locked, up to the first that
    is not, is first come first filled.
    """
    with locked_orders(connection, _fillable(connection, items), also=items) as locked:
        items |= {stock.item for stock in locked.stock.values() if stock.fill_due}
        first = takewhile(locked.orders.__contains__, _fillable(connection, items))
        moves = [
            Move(order, "confirmed", "filled after a restock")
            for order, decision in locked.allocate(map(locked.orders.__getitem__, first))
            if decision.outcome == "confirmed"
        ]
        move_orders(connection, locked, moves, source=source)
        ((more,),) = connection.run(FINISH_FILLING, item=item)
    return bool(more)


def _fillable(connection: Connection, items: set[str]) -> list[str]:
    """Return the ids of the first waiting orders that fit, in order of arrival."""
    rows = connection.run(SELECT_FILLABLE, items=sorted(items), few=FEW, count=FILL_BATCH)
    return [order_id for (order_id,) in rows]
