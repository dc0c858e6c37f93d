"""Events that are published again until they have had their effect.

A CloudEvent is identified by its source and its id, so each copy carries those of the first one,
whoever makes it.
"""

from collections.abc import Mapping, Sequence

from orderflow.events.models import Event, InventoryChanged, OrderPlaced, event_id, make_event


def order_placed(
    order_id: str, lines: Sequence[Mapping[str, str | int]], on_shortage: str, traceparent: str
) -> Event:
    """Return the event of an order; `lines` are objects of item and quantity."""
    data = {"order_id": order_id, "lines": lines, "on_shortage": on_shortage}
    source = "/orderflow/create_order"
    return make_event(OrderPlaced, data, sequence=1, source=source, traceparent=traceparent)


def order_placed_id(order_id: str) -> str:
    """Return the id of an order's event."""
    return event_id(OrderPlaced, order_id, 1)


def inventory_changed(item: str, change_id: str, traceparent: str) -> Event:
    """Return the event of an inventory change."""
    data, source = {"item": item, "change_id": change_id}, "/orderflow/update_inventory"
    return make_event(
        InventoryChanged, data, fact=change_id, source=source, traceparent=traceparent
    )


def inventory_changed_id(item: str, change_id: str) -> str:
    """Return the id of an inventory change's event."""
    return event_id(InventoryChanged, item, change_id)


def stock_freed(item: str, fact: str, *, source: str, traceparent: str) -> Event:
    """Return the event that has free stock offered to those who wait; no change is behind it."""
    data = {"item": item, "change_id": None}
    return make_event(InventoryChanged, data, fact=fact, source=source, traceparent=traceparent)
