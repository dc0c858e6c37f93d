"""The data of events: a typed model each.

An event is a hint: its reader takes the id from it and the truth from the database.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel

from orderflow.database.event import Topic
from orderflow.models import Item, Line, OrderId


class EventData(BaseModel, frozen=True):
    """Base of an event's data. Fields may be added in a version, never changed or taken away."""

    type: ClassVar[str]
    topic: ClassVar[Topic | None] = None


class Tick(EventData):
    """The clock of a PingSource; comes over HTTP only and has no data of interest."""

    type = "dev.knative.sources.ping"


class KafkaEventData(EventData):
    """Base of the data of events on Kafka; `key` is the field that is the record's key."""

    topic: ClassVar[Topic]
    key: ClassVar[str]


class OrderPlaced(KafkaEventData):
    """An order was accepted and waits for stock."""

    type = "orderflow.order.placed.v1"
    topic = "orders"
    key = "order_id"

    order_id: OrderId
    lines: tuple[Line, ...] = ()
    on_shortage: Literal["backorder", "reject"] = "backorder"


class InventoryChanged(KafkaEventData):
    """An item has a change to apply, or free stock that others may wait for."""

    type = "orderflow.inventory.changed.v1"
    topic = "inventory"
    key = "item"

    item: Item
    change_id: str | None = None


class OrderMoved(KafkaEventData):
    """Base of what everyone downstream hears of when an order's status changes."""

    topic = "order-events"
    key = "order_id"

    order_id: OrderId
    lines: tuple[Line, ...]
    cause: str


class OrderConfirmed(OrderMoved):
    """Stock is reserved for every line."""

    type = "orderflow.order.confirmed.v1"


class OrderBackordered(OrderMoved):
    """The order waits for stock."""

    type = "orderflow.order.backordered.v1"


class OrderRejected(OrderMoved):
    """There was not enough stock and the caller did not want to wait."""

    type = "orderflow.order.rejected.v1"


class OrderCancelled(OrderMoved):
    """The order was cancelled; what it held is free again."""

    type = "orderflow.order.cancelled.v1"


class OrderShipped(OrderMoved):
    """The order left; what it held is no longer on hand."""

    type = "orderflow.order.shipped.v1"


MOVED: dict[str, type[OrderMoved]] = {
    "confirmed": OrderConfirmed,
    "backordered": OrderBackordered,
    "rejected": OrderRejected,
    "cancelled": OrderCancelled,
    "shipped": OrderShipped,
}
EVENTS: tuple[type[KafkaEventData], ...] = (OrderPlaced, InventoryChanged, *MOVED.values())
