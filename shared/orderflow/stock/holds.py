"""Holds: what a confirmed order keeps is free again when nobody ships it in its time."""

import asyncio
from collections.abc import Sequence

from orderflow.database.connection import Connection, statement
from orderflow.database.group_commit import MAX_BATCH, Batch
from orderflow.errors import Later, OrderFlowError
from orderflow.resources import worker
from orderflow.stock.locking import locked_orders
from orderflow.stock.moves import Move, move_orders

SELECT_EXPIRED = statement(__file__, "select_expired.sql")
POSTPONE_EXPIRY = statement(__file__, "postpone_expiry.sql")

ROUNDS = 10  # of one batch, so 2,000 holds a call: seconds of work; the rest comes with the next
PAUSE_S = 3_600  # before a hold that can't be ended is tried again: by then a person has looked


async def expire_holds() -> int:
    """Cancel confirmed orders whose hold is over; return how many."""
    total = 0
    for _ in range(ROUNDS):
        order_ids = await worker().submit(overdue)
        ended = sum(await asyncio.gather(*map(_expire_one, order_ids)))
        total += ended
        if len(order_ids) < MAX_BATCH or not ended:
            break
    return total


def overdue(connection: Connection) -> dict[str, int]:
    """Return a batch of orders whose hold is over, with its minutes."""
    return dict(connection.run(SELECT_EXPIRED, count=MAX_BATCH))


def expire_orders(connection: Connection, order_ids: Sequence[str]) -> list[bool]:
    """Cancel those of the orders whose hold is over; return for each whether it was.

    Looked up again under the locks: who ships or cancels an order first has it. One whose item is
    locked by another is left to the next call, so that it holds up no other.
    """
    with locked_orders(connection, order_ids, skip_locked=True) as locked:
        moves = [
            Move(
                locked.orders[order_id],
                "cancelled",
                f"hold of {hold} minute{'s' * (hold != 1)} expired",
            )
            for order_id, hold in overdue(connection).items()
            if order_id in locked.orders
        ]
        move_orders(connection, locked, moves, source="/orderflow/sweep")
    ended = {move.order.order_id for move in moves}
    return [order_id in ended for order_id in order_ids]


expire = Batch(expire_orders)


async def _expire_one(order_id: str) -> bool:
    try:
        return await expire(order_id)
    except Later:
        raise
    except OrderFlowError as error:  # the database refuses it, and would hold up all behind it
        attention = f"its hold expired, but it can't be cancelled: {error.detail}"
        postponed = {"order_id": order_id, "attention": attention, "pause_s": PAUSE_S}
        await worker().submit(lambda connection: connection.run(POSTPONE_EXPIRY, **postponed))
        return False
