"""PATCH /order/{order_id}: cancels an order or marks it shipped; frees or consumes its stock.

Writes orders, order_history, stock, stock_ledger, backorders and outbox; emits
orderflow.order.cancelled.v1 and .shipped.v1, and orderflow.inventory.changed.v1 for freed stock
that others wait for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from orderflow.auth.caller import LOCAL, caller_of
from orderflow.database.connection import Connection, Json, statement
from orderflow.database.first_answers import FirstAnswers, KeyedCall
from orderflow.database.group_commit import Batch
from orderflow.errors import Conflict, NotFound, OrderFlowError
from orderflow.http.handler import http, json_response, replay_header
from orderflow.http.idempotency import keyed_call_of
from orderflow.http.path import path_name
from orderflow.http.request import body_of
from orderflow.logs import bind_log_fields
from orderflow.models import ChangeOrder
from orderflow.orders.states import MOVES, Status
from orderflow.stock.locking import Locked, LockedOrder, locked_orders
from orderflow.stock.moves import Move, move_orders

SELECT_FOREIGN = statement(__file__, "select_foreign.sql")


class Change(NamedTuple):
    """What one call asks for."""

    order_id: str
    status: Status
    asked_by: str = LOCAL.subject
    owner: str | None = None
    call: KeyedCall | None = None


@http("PATCH", scope="orders:write")
async def update_order(request: Request) -> Response:
    """Answer 200 with the new status, also to a repeat; 404 or 409 when it can't be."""
    order_id = path_name(request, "order", others=["POST"], actions=["retry"])
    body = await body_of(request, ChangeOrder)
    call, caller = keyed_call_of(request, body), caller_of(request)
    bind_log_fields(order_id=order_id, becomes=body.status)
    asked = Change(order_id, body.status, caller.subject, caller.owner_of_orders, call)
    moved = await change(asked)
    return json_response({"order_id": order_id, "status": body.status}, 200, replay_header(moved))


def change_orders(connection: Connection, changes: Sequence[Change]) -> list[bool | OrderFlowError]:
    """Make the changes in one transaction, one after the other; say if each moved its order."""
    planned: dict[str, Move] = {}
    results: list[bool | OrderFlowError] = []
    with locked_orders(connection, not_foreign(connection, changes)) as locked:
        first = FirstAnswers(connection, [wanted.call for wanted in changes])
        for wanted in changes:
            outcome = first.get(wanted.call)
            if outcome is None:
                outcome = plan(wanted, locked, planned)
                if not isinstance(outcome, OrderFlowError):
                    first.add(wanted.call, wanted.status)
            moves = isinstance(outcome, Move)
            if moves:
                planned[wanted.order_id] = outcome
            results.append(outcome if isinstance(outcome, OrderFlowError) else moves)
        move_orders(connection, locked, [*planned.values()], source="/orderflow/update_order")
        first.store()
    return results


change = Batch(change_orders)


def not_foreign(connection: Connection, changes: Sequence[Change]) -> set[str]:
    """Return the ids that are not another owner's: nobody waits for the lock of such an order."""
    asked = [{"order_id": c.order_id, "subject": c.owner} for c in changes if c.owner is not None]
    rows = connection.run(SELECT_FOREIGN, asked=Json(asked)) if asked else []
    foreign = {(order_id, owner) for order_id, owner in rows}
    return {c.order_id for c in changes if (c.order_id, c.owner) not in foreign}


def plan(
    wanted: Change, locked: Locked, planned: Mapping[str, Move]
) -> Move | OrderFlowError | None:
    """Return the move that follows those planned, why there can be none, or None for a repeat."""
    order = locked.orders.get(wanted.order_id)
    if order is None or wanted.owner not in {None, order.placed_by}:
        return NotFound(f"there is no order {wanted.order_id}")
    status = planned[wanted.order_id].enters if wanted.order_id in planned else order.status
    if status == wanted.status:
        return None
    if wanted.status not in MOVES[status]:
        can = " or ".join(MOVES[status]) or "nothing else"
        return Conflict(f"the order is {status}; it can become {can}, not {wanted.status}")
    if wanted.status == "shipped" and (lacking := not_on_hand(order, locked, planned)):
        return Conflict(f"less {lacking} is on hand than was reserved; count it, then ship")
    return Move(order, wanted.status, f"{wanted.status} by request", asked_by=wanted.asked_by)


def not_on_hand(order: LockedOrder, locked: Locked, planned: Mapping[str, Move]) -> str | None:
    """Return an item of which there is not enough to ship this order too, after a low count."""
    leaving = [move.order.needs for move in planned.values() if move.enters == "shipped"]
    for item, units in order.needs.items():
        if locked.stock[item].on_hand < units + sum(needs.get(item, 0) for needs in leaving):
            return item
    return None
