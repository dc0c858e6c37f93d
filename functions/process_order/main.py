"""KafkaSource on `orders`: allocates stock: pending to confirmed, backordered or rejected.

Where free stock was not offered yet to those who wait longer, it does that first.

Writes orders, order_history, stock, stock_ledger, backorders and outbox; emits
orderflow.order.confirmed.v1, .backordered.v1 and .rejected.v1.
"""

from collections.abc import Sequence

from orderflow.database.connection import Connection
from orderflow.database.group_commit import Batch
from orderflow.errors import InvalidInput, Later, OrderFlowError
from orderflow.events.models import Event, OrderPlaced
from orderflow.events.outbox import publish
from orderflow.events.trigger import event
from orderflow.http.handler import note
from orderflow.stock.allocation import allocate
from orderflow.stock.filling import fill
from orderflow.stock.reservations import Locked, LockedOrder, Move, locked_orders, move_orders

SOURCE = "/orderflow/process_order"


@event(OrderPlaced)
async def process_order(placed: OrderPlaced) -> None:
    """Decide on the order; the event says only which."""
    note(order_id=placed.order_id)
    for decided in await decide(placed.order_id):
        publish(decided)


def decide_orders(
    connection: Connection, order_ids: Sequence[str]
) -> list[list[Event] | OrderFlowError]:
    """Decide on all of them; an order that is decided already stays so.

    Those that want what is to be offered to others first are decided on once it was.
    """
    with locked_orders(connection, order_ids) as locked:
        events = move_orders(connection, moves(locked), source=SOURCE)
    filled = [fill(connection, item, source=SOURCE) for item in to_be_offered(locked)]
    if filled:
        with locked_orders(connection, order_ids) as locked:
            events |= move_orders(connection, moves(locked), source=SOURCE)
    results = [result(order_id, locked, events.pop(order_id, [])) for order_id in order_ids]
    return with_others(results, filled)


decide = Batch(decide_orders)


def moves(locked: Locked) -> list[Move]:
    """Let allocation decide on what is pending and may be decided now."""
    orders = {o.position: o for o in locked.orders.values() if may_decide(o, locked)}
    decisions = allocate((order.as_open() for order in orders.values()), locked.free())
    return [Move(orders[d.order.position], d.outcome, d.cause) for d in decisions]


def to_be_offered(locked: Locked) -> list[str]:
    """Return the items that pending orders have to leave to those who wait longer."""
    pending = [order for order in locked.orders.values() if order.status == "pending"]
    items = {item for order in pending for item in order.needs()}
    return sorted(item for item in items if locked.stock[item].fill_due)


def may_decide(order: LockedOrder, locked: Locked) -> bool:
    """Whether it is the order's turn: free stock is offered first to those who wait longer."""
    return order.status == "pending" and not any(locked.stock[i].fill_due for i in order.needs())


def result(order_id: str, locked: Locked, events: list[Event]) -> list[Event] | OrderFlowError:
    """Return what the order's call gets: the events to publish, or why it is not decided."""
    order = locked.orders.get(order_id)
    if order is None:
        return InvalidInput(f"there is no order {order_id}")
    if order.status == "pending" and not events and not may_decide(order, locked):
        return Later("those who wait longer are served first; try again shortly")
    return events


def with_others(
    results: list[list[Event] | OrderFlowError], filled: Sequence[list[Event] | OrderFlowError]
) -> list[list[Event] | OrderFlowError]:
    """Have the first call that can publish the events of orders filled by the way, too."""
    also = [event for events in filled if isinstance(events, list) for event in events]
    publishes = next((events for events in results if isinstance(events, list)), [])
    publishes += also  # else they are in the outbox
    return results
