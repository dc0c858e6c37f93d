"""POST /inventory: records a count or an adjustment and `inventory.changed`, publishes, answers.

Writes inventory_changes and outbox; emits orderflow.inventory.changed.v1. The stock itself is
written by apply_inventory.
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
from orderflow.events.messages import inventory_changed
from orderflow.http.handler import http, json_response, replay_header
from orderflow.http.idempotency import idempotency_key_of
from orderflow.http.path import path_to
from orderflow.http.request import body_of, traceparent_of
from orderflow.ids import uuid7
from orderflow.logs import bind_log_fields
from orderflow.models import ChangeInventory
from orderflow.resources import outbox

INSERT_CHANGES = statement(__file__, "insert_changes.sql")
SELECT_CHANGES = statement(__file__, "select_changes.sql")
SENT = "Inventory update received and sent to Kafka"
QUEUED = "Inventory update received and queued for Kafka"


class Change(NamedTuple):
    """What one call asks for. `fingerprint` stands for its body."""

    change_id: str
    idempotency_key: str | None
    told_by: str
    body: ChangeInventory
    fingerprint: str
    event: Event

    def row(self, number: int) -> dict[str, Any]:
        """Return the call as an element of the statement's JSON parameter."""
        columns = {**self.body.columns(), **self._asdict()}
        del columns["body"]
        return {**columns, "event": self.event._asdict(), "number": number}


class Recorded(NamedTuple):
    """A change as the database has it, and its event's id while that is in the outbox."""

    change_id: str
    fingerprint: str
    unpublished_event_id: str | None
    found_by: Literal["key", "id"] | None = None


@http("POST", scope="inventory:write")
async def update_inventory(request: Request) -> Response:
    """Answer 202 to a new change and a repeat; 409 or 422 to what its id or key is not of."""
    body, key = await body_of(request, ChangeInventory), idempotency_key_of(request)
    change = requested(body, traceparent_of(request), key, caller_of(request).subject)
    recorded = await record(change)
    change_id, is_new = recorded.change_id, recorded.found_by is None
    bind_log_fields(item=body.item, change_id=change_id, is_new=is_new)
    if recorded.fingerprint != change.fingerprint or body.change_id not in {None, change_id}:
        if recorded.found_by == "key":
            raise key_reused()
        raise Conflict(f"change {change_id} exists with another body; use another change_id")
    sent = await outbox().acknowledged(recorded.unpublished_event_id)
    location = {"Location": path_to("inventory", "changes", change_id)}
    answer = {"message": SENT if sent else QUEUED, "change_id": change_id}
    return json_response(answer, 202, location | replay_header(is_new))


def requested(
    body: ChangeInventory,
    traceparent: str,
    idempotency_key: str | None = None,
    told_by: str = LOCAL.subject,
) -> Change:
    """Name the change, if its caller did not, and make its event."""
    change_id = body.change_id or uuid7()
    event = inventory_changed(body.item, change_id, traceparent)
    return Change(change_id, idempotency_key, told_by, body, body.fingerprint(), event)


def record_changes(connection: Connection, changes: Sequence[Change]) -> list[Recorded]:
    """Insert what is new in one statement; look up the rest, equal calls of this batch included."""
    rows = [change.row(number) for number, change in enumerate(changes)]
    new = {number for (number,) in connection.run(INSERT_CHANGES, changes=Json(rows))}
    connection.record(changes[number].event for number in sorted(new))
    repeated = [row for row in rows if row["number"] not in new]
    found = connection.run(SELECT_CHANGES, asked=Json(repeated)) if repeated else []
    stored = {number: Recorded(*rest) for number, *rest in found}
    return [
        Recorded(change.change_id, change.fingerprint, change.event.id)
        if number in new
        else stored[number]
        for number, change in enumerate(changes)
    ]


record = Batch(record_changes)
