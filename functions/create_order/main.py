"""POST /order: stores an order with its lines and `order.placed`, publishes, answers.

Writes orders, order_lines, order_history and outbox; emits orderflow.order.placed.v1.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from orderflow.auth.caller import LOCAL, caller_of
from orderflow.database.connection import Connection, Json, statement
from orderflow.database.event import Event
from orderflow.database.first_answers import key_reused
from orderflow.database.group_commit import Batch
from orderflow.errors import Conflict
from orderflow.events.messages import order_placed
from orderflow.http.handler import http, json_response, replay_header
from orderflow.http.idempotency import idempotency_key_of
from orderflow.http.path import path_to
from orderflow.http.request import body_of, traceparent_of
from orderflow.ids import uuid7
from orderflow.logs import bind_log_fields
from orderflow.models import PlaceOrder
from orderflow.resources import outbox

INSERT_ORDERS = statement(__file__, "insert_orders.sql")
SELECT_PLACED = statement(__file__, "select_placed.sql")


class Placement(NamedTuple):
    """What one call asks for. `fingerprint` stands for its body."""

    order_id: str
    idempotency_key: str | None
    fingerprint: str
    on_shortage: str
    hold_minutes: int | None
    lines: list[dict[str, str | int]]
    placed_by: str
    event: Event

    def row(self, number: int) -> dict[str, Any]:
        """Return the call as an element of the statement's JSON parameter."""
        return {**self._asdict(), "event": self.event._asdict(), "number": number}


class Placed(NamedTuple):
    """An order as the database has it, and its event's id while that is in the outbox."""

    order_id: str
    fingerprint: str
    unpublished_event_id: str | None
    found_by: Literal["key", "id", "another caller"] | None = None


@http("POST", scope="orders:write")
async def create_order(request: Request) -> Response:
    """Answer 201 for a new order, 200 for a repeat; 409 or 422 for what its id or key is not of."""
    order, key = await body_of(request, PlaceOrder), idempotency_key_of(request)
    placement = requested(order, key, traceparent_of(request), caller_of(request).subject)
    placed = await place(placement)
    bind_log_fields(order_id=placed.order_id, is_new=placed.found_by is None)
    if placed.found_by == "another caller":  # who is told no more than that the id is taken
        raise Conflict(f"the order_id {placed.order_id} is taken; use another")
    if placed.fingerprint != placement.fingerprint:
        if placed.found_by == "key":
            raise key_reused()
        raise Conflict(f"order {placed.order_id} exists with another body; use another order_id")
    return answered(placed, await outbox().acknowledged(placed.unpublished_event_id))


def requested(
    order: PlaceOrder, idempotency_key: str | None, traceparent: str, placed_by: str = LOCAL.subject
) -> Placement:
    """Name the order, if its caller did not, and make its event."""
    order_id = order.order_id or uuid7()
    asked = order_id, idempotency_key, order.fingerprint(), order.on_shortage, order.hold_minutes
    event = order_placed(order_id, order.plain_lines(), order.on_shortage, traceparent)
    return Placement(*asked, order.plain_lines(), placed_by, event)


def place_orders(connection: Connection, placements: Sequence[Placement]) -> list[Placed]:
    """Insert what is new in one statement; look up the rest, equal calls of this batch included."""
    rows = [placement.row(number) for number, placement in enumerate(placements)]
    new = set(connection.value(INSERT_ORDERS, orders=Json(rows)))
    connection.record(placements[number].event for number in sorted(new))
    repeated = [row for row in rows if row["number"] not in new]
    found = connection.run(SELECT_PLACED, asked=Json(repeated)) if repeated else []
    stored = {number: Placed(*rest) for number, *rest in found}
    return [
        Placed(p.order_id, p.fingerprint, p.event.id) if number in new else stored[number]
        for number, p in enumerate(placements)
    ]


place = Batch(place_orders)


def answered(placed: Placed, sent: bool) -> Response:
    """Make the answer; a repeat gets the first one, marked."""
    message = f"Order received, stored in DB, and {'sent to' if sent else 'queued for'} Kafka"
    body = {"message": message, "order_id": placed.order_id, "status": "pending"}
    is_new = placed.found_by is None
    headers = {"Location": path_to("order", placed.order_id)} | replay_header(is_new)
    return json_response(body, 201 if is_new else 200, headers)
