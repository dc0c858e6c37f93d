"""The events on Kafka: a typed model each, and their form as CloudEvents 1.0.

An event is a hint: its reader takes the id from it and the truth from the database.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple
from urllib.parse import quote

import orjson
from cloudevents.http import CloudEvent
from cloudevents.kafka import KafkaMessage, to_binary
from pydantic import BaseModel

from orderflow.models import Item, Line, OrderId

Topic = Literal["orders", "inventory", "order-events"]

# A ce- header goes through Knative as Latin-1, so attributes are percent-encoded ASCII
# (CloudEvents HTTP binding, 3.1.3.2).
_HEADER_SAFE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"%') + " "


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


class Event(NamedTuple):
    """An event as a row of the outbox; `payload` is JSON text."""

    id: str
    aggregatetype: Topic
    aggregateid: str
    type: str
    payload: str
    sequence: int
    source: str
    traceparent: str
    at: str


def make_event(
    model: type[KafkaEventData],
    data: dict[str, Any],
    *,
    source: str,
    traceparent: str,
    sequence: int = 0,
    fact: str | None = None,
) -> Event:
    """Make the event of one fact; an equal type, entity and fact make an equal id.

    `data` has the fields of `model`; `source` is the function's path, as
    `/orderflow/create_order`; `sequence` counts per order from 1 and is 0 for events of items;
    `fact` names what happened within the entity and is the sequence unless given.
    """
    entity = data[model.key]
    return Event(
        id=event_id(model, entity, fact or sequence),
        aggregatetype=model.topic,
        aggregateid=entity,
        type=model.type,
        payload=orjson.dumps(data).decode(),
        sequence=sequence,
        source=source,
        traceparent=traceparent,
        at=datetime.now(UTC).isoformat(),
    )


def event_id(model: type[KafkaEventData], entity: str, fact: str | int) -> str:
    """Return the id of the event of one fact: a UUIDv8 (RFC 9562) of its digest.

    The same fact always makes the same id, so that an event keeps it when it is republished.
    """
    identity = f"{model.type}\n{entity}\n{fact}"
    digits = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def to_kafka(event: Event) -> KafkaMessage:
    """Return the event in Kafka's binary binding: `ce_*` headers, JSON value, key as bytes."""
    key = quote(event.aggregateid, safe=_HEADER_SAFE)
    attributes = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": key,
        "time": event.at,
        "datacontenttype": "application/json",
        "dataschema": f"urn:{event.type.replace('.', ':', 1)}",
        "traceparent": event.traceparent,
    }
    if event.sequence:
        attributes["sequence"] = str(event.sequence)
    cloud_event = CloudEvent(attributes, event.payload.encode())
    headers, _, value = to_binary(cloud_event, data_marshaller=bytes, key_mapper=lambda _: None)
    # The SDK takes a partitionkey for the record's key only; readers behind Knative want both.
    headers |= {"ce_partitionkey": key.encode(), "traceparent": event.traceparent.encode()}
    return KafkaMessage(headers, event.aggregateid.encode(), value)
