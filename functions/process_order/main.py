"""KafkaSource on `orders`: allocates stock: pending to confirmed, backordered or rejected.

Where free stock was not offered yet to those who wait longer, it does that first.

Writes orders, order_history, stock, stock_ledger, backorders and outbox; emits
orderflow.order.confirmed.v1, .backordered.v1 and .rejected.v1.
"""

from collections.abc import Sequence

from orderflow.database.connection import Connection
from orderflow.database.group_commit import Batch
from orderflow.errors import InvalidInput, Later, OrderFlowError
from orderflow.events.models import OrderPlaced
from orderflow.events.trigger import event
from orderflow.logs import bind_log_fields
from orderflow.orders.archived import archived_orders
from orderflow.stock.filling import fill
from orderflow.stock.locking import Locked, LockedOrder, locked_orders
from orderflow.stock.moves import Move, move_orders
from orderflow.tracing.spans import work_on

SOURCE = "/orderflow/process_order"


@event(OrderPlaced, whole_topic=True)
async def process_order(placed: OrderPlaced) -> None:
    """Decide on the order; the event says only which."""
    bind_log_fields(order_id=placed.order_id)
    work_on(placed.order_id)
    await decide(placed.order_id)


def decide_orders(connection: Connection, order_ids: Sequence[str]) -> list[OrderFlowError | None]:
    """Decide on all of them; an order that is decided already stays so, also in an archive.

    Those that want what is to be offered to others first are decided on once it was.
    """
    with locked_orders(connection, order_ids) as locked:
        move_orders(connection, locked, moves(locked), source=SOURCE)
    items = items_awaiting_fill(locked)
    for item in items:
        fill(connection, item, source=SOURCE)
    if items:
        with locked_orders(connection, order_ids) as locked:
            move_orders(connection, locked, moves(locked), source=SOURCE)
    unknown = [order_id for order_id in order_ids if order_id not in locked.orders]
    decided = archived_orders(connection, unknown)
    return [None if i in decided else refusal(i, locked) for i in order_ids]


decide = Batch(decide_orders)


def moves(locked: Locked) -> list[Move]:
    """Let allocation decide on what is pending and may be decided now."""
    open_orders = [order for order in locked.orders.values() if may_decide(order, locked)]
    decided = locked.allocate(open_orders)
    return [Move(order, made.outcome, made.cause, made.blocked_by) for order, made in decided]


def items_awaiting_fill(locked: Locked) -> list[str]:
    """Return the items that pending orders have to leave to those who wait longer."""
    pending = [order for order in locked.orders.values() if order.status == "pending"]
    items = {item for order in pending for item in order.needs}
    return sorted(item for item in items if locked.stock[item].fill_due)


def may_decide(order: LockedOrder, locked: Locked) -> bool:
    """Whether it is the order's turn: free stock is offered first to those who wait longer."""
    return order.status == "pending" and not any(locked.stock[i].fill_due for i in order.needs)


def refusal(order_id: str, locked: Locked) -> OrderFlowError | None:
    """Return why the order could not be decided on, if it could not."""
    order = locked.orders.get(order_id)
    if order is None:
        return InvalidInput(f"there is no order {order_id}")
    if order.status == "pending" and not may_decide(order, locked):
        return Later("those who wait longer are served first; try again shortly")
    return None
