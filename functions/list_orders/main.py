"""GET /orders and GET /order/{order_id}: pages of orders; one order and why it waits.

Reads only.
"""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orderflow.batch import worker
from orderflow.database import Connection, statement
from orderflow.errors import NotFound
from orderflow.listing import MAX_LIMIT, OrderPage, next_link, page_of, position_of
from orderflow.web import http, json_response, note, path_name

HERE = Path(__file__).parent
SELECT_ORDERS = statement(HERE / "select_orders.sql")
SELECT_ORDERS_BY_STATUS = statement(HERE / "select_orders_by_status.sql")
SELECT_ORDERS_BY_ITEM = statement(HERE / "select_orders_by_item.sql")
SELECT_ORDER = statement(HERE / "select_order.sql")

Order = dict[str, Any]


@http("GET", "HEAD")
async def list_orders(request: Request) -> Response:
    """Answer with a page, a stream of every match, or one order."""
    if request.scope["path"] != "/orders":
        return await one_order(path_name(request, "/order/"))
    page = page_of(request, OrderPage)
    streams = "application/x-ndjson" in request.headers.get("accept", "")
    page = page.model_copy(update={"limit": MAX_LIMIT}) if streams else page
    rows = await worker().submit(partial(select_page, page, position_of(page)))
    if streams:
        return StreamingResponse(every_order(page, rows), media_type="application/x-ndjson")
    full = len(rows) == page.limit
    link = next_link(request, str(rows[-1][0])) if full else {}
    return json_response([shown(order) for _, order in rows], 200, link)


async def one_order(order_id: str) -> Response:
    """Answer with everything about one order."""
    note(order_id=order_id)
    rows = await worker().submit(lambda connection: connection.run(SELECT_ORDER, order_id=order_id))
    if not rows:
        raise NotFound(f"there is no order {order_id}")
    return json_response(shown(orjson.loads(rows[0][0])))


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
    if page.item is not None:
        filters |= {"item": page.item, "status": page.status}
        rows = connection.run(SELECT_ORDERS_BY_ITEM, **filters)
    elif page.status is not None:
        rows = connection.run(SELECT_ORDERS_BY_STATUS, status=page.status, **filters)
    else:
        rows = connection.run(SELECT_ORDERS, **filters)
    return [(position, orjson.loads(order)) for position, order in rows]


def shown(order: Order) -> Order:
    """Return the order as callers see it: one line also as `item` and `quantity`."""
    order.pop("position", None)
    lines = order["lines"]
    first = lines[0] if len(lines) == 1 else {}
    waits = order.pop("waits_for", None)
    return {
        "order_id": order["order_id"],
        **first,
        **order,
        **({"waits_for": waits} if waits else {}),
    }
