"""GET /orders and GET /order/{order_id}: pages of orders; one order and why it waits.

Reads only.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orderflow.database.connection import Connection, statement
from orderflow.errors import NotFound
from orderflow.http.handler import http, json_response
from orderflow.http.pagination import MAX_LIMIT, next_link, page_of, position_of
from orderflow.http.path import path_name, segments_of
from orderflow.http.request import gateway_of
from orderflow.logs import bind_log_fields
from orderflow.orders.diagnosis.commands import Target
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import find_order
from orderflow.orders.lists import OrderPage
from orderflow.resources import worker

SELECT_ORDERS = statement(__file__, "select_orders.sql")
SELECT_ORDERS_BY_STATUS = statement(__file__, "select_orders_by_status.sql")
SELECT_ORDERS_BY_ITEM = statement(__file__, "select_orders_by_item.sql")
SELECT_ORDERS_BY_ATTENTION = statement(__file__, "select_orders_by_attention.sql")

Order = dict[str, Any]


@http("GET", "HEAD", scope="orders:read")
async def list_orders(request: Request) -> Response:
    """Answer with a page, a stream of every match, or one order."""
    if segments_of(request) == ("order",):
        raise NotFound("no such path; use /orders, or /order/ORDER_ID for one order")
    if segments_of(request) != ("orders",):
        return await one_order(path_name(request, "order"), gateway_of(request))
    page = page_of(request, OrderPage)
    streams = "application/x-ndjson" in request.headers.get("accept", "")
    page = page.model_copy(update={"limit": MAX_LIMIT}) if streams else page
    rows = await worker().submit(partial(select_page, page, position_of(page)))
    if streams:
        return StreamingResponse(every_order(page, rows), media_type="application/x-ndjson")
    full = len(rows) == page.limit
    link = next_link(request, str(rows[-1][0])) if full else {}
    return json_response([shown(order) for _, order in rows], 200, link)


async def one_order(order_id: str, gateway: str) -> Response:
    """Answer with everything about one order and, while it is open, why it waits."""
    bind_log_fields(order_id=order_id)
    found = await worker().submit(partial(find_order, order_id=order_id))
    if found is None:
        raise NotFound(f"there is no order {order_id}")
    waiting = explain(found.facts, Target(gateway))
    return json_response(shown(found.order) | ({"waiting": waiting} if waiting else {}))


async def every_order(page: OrderPage, rows: list[tuple[int, Order]]) -> AsyncIterator[bytes]:
    """Stream all matches from the first page on as lines, so that memory does not grow."""
    while rows:
        yield b"".join(orjson.dumps(shown(order)) + b"\n" for _, order in rows)
        rows = await worker().submit(partial(select_page, page, rows[-1][0]))


def select_page(page: OrderPage, below: int, connection: Connection) -> list[tuple[int, Order]]:
    """Return a page's positions and orders, newest first, from the index that serves its filter."""
    filters: dict[str, object] = {
        "below": below,
        "count": page.limit,
        "placed_after": page.placed_after or "-infinity",
        "placed_before": page.placed_before or "infinity",
    }
    if page.attention is not None:
        filters |= {"item": page.item, "status": page.status}
        rows = connection.run(SELECT_ORDERS_BY_ATTENTION, **filters)
    elif page.item is not None:
        filters |= {"item": page.item, "status": page.status}
        rows = connection.run(SELECT_ORDERS_BY_ITEM, **filters)
    elif page.status is not None:
        rows = connection.run(SELECT_ORDERS_BY_STATUS, status=page.status, **filters)
    else:
        rows = connection.run(SELECT_ORDERS, **filters)
    return [(position, orjson.loads(order)) for position, order in rows]


def shown(order: Order) -> Order:
    """Return the order as callers see it: one line also as `item` and `quantity`."""
    lines = order["lines"]
    return {"order_id": order["order_id"], **(lines[0] if len(lines) == 1 else {}), **order}
