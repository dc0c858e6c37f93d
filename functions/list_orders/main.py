"""GET /orders, GET /order/{order_id}: pages of orders; one order and why it waits. Reads only."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.auth.caller import caller_of
from orderflow.database.connection import Connection, statement
from orderflow.errors import MethodNotAllowed, NotFound
from orderflow.http.handler import http, json_response
from orderflow.http.outgoing import fitting
from orderflow.http.pages import Found, found_rows, page_response, stream_response
from orderflow.http.pagination import MAX_LIMIT, page_of, position_of
from orderflow.http.path import path_name, segments_of
from orderflow.http.request import gateway_of
from orderflow.logs import bind_log_fields
from orderflow.orders.diagnosis.commands import Target
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import find_order
from orderflow.orders.lists import OrderPage
from orderflow.resources import worker

SELECT_OWN_ORDERS = statement(__file__, "select_own_orders.sql")
SELECT_ORDERS = statement(__file__, "select_orders.sql")
SELECT_ORDERS_BY_STATUS = statement(__file__, "select_orders_by_status.sql")
SELECT_ORDERS_BY_ITEM = statement(__file__, "select_orders_by_item.sql")
SELECT_ORDERS_BY_ITEM_AND_STATUS = statement(__file__, "select_orders_by_item_and_status.sql")
SELECT_ORDERS_BY_ATTENTION = statement(__file__, "select_orders_by_attention.sql")

MAX_READ = 100  # orders at once; of 100 lines with long names each they are 9 MB

Order = dict[str, Any]


@http("GET", "HEAD", scope="orders:read")
async def list_orders(request: Request) -> Response:
    """Answer with a page, a stream of every match, or one order."""
    if segments_of(request) == ("order",):
        raise MethodNotAllowed(["POST"], "; the list is at /orders")
    if segments_of(request) != ("orders",):
        return await one_order(request, path_name(request, "order", actions=["retry"]))
    page, owner = page_of(request, OrderPage), caller_of(request).owner_of_orders
    if "application/x-ndjson" not in request.headers.get("accept", ""):
        return await page_response(request, partial(read_page, page, owner, position_of(page)))
    following = partial(partial, read_lines, page, owner)
    first = following(position_of(page))
    return await stream_response(request, first, following, "application/x-ndjson")


async def one_order(request: Request, order_id: str) -> Response:
    """Answer with everything about one order and, while it is open, why it waits."""
    bind_log_fields(order_id=order_id)
    owner = caller_of(request).owner_of_orders
    found = await worker().submit(partial(find_order, order_id=order_id, owner=owner))
    if found is None:
        raise NotFound(f"there is no order {order_id}")
    waiting = explain(found.facts, Target(gateway_of(request)))
    return json_response(shown(found.order) | ({"waiting": waiting} if waiting else {}))


def read_page(page: OrderPage, owner: str | None, below: int, connection: Connection) -> Found:
    """Return a page as a JSON array."""
    return found_rows(orders_below(page, owner, below, connection), page.limit)


def read_lines(page: OrderPage, owner: str | None, below: int, connection: Connection) -> Found:
    """Return a page of a stream, as lines."""
    orders, after = fitting(orders_below(page, owner, below, connection), MAX_LIMIT)
    return Found(b"".join(order + b"\n" for order in orders), after)


def orders_below(
    page: OrderPage, owner: str | None, below: int, connection: Connection
) -> Iterator[tuple[int, bytes]]:
    """Give a list's positions and orders from one on, reading no more at once than may be large."""
    times = page.placed_after or "-infinity", page.placed_before or "infinity"
    filters = page.model_dump(include={"status", "item", "attention"}) | {
        **dict(zip(("placed_after", "placed_before"), times, strict=True)),
        "owner": owner,
        "count": MAX_READ,
    }
    rows = connection.run(statement_of(page, owner), below=below, **filters)
    while rows:
        for position, order in rows:
            yield position, orjson.dumps(shown(orjson.loads(order)))
        last, full = rows[-1][0], len(rows) == MAX_READ
        rows = connection.run(statement_of(page, owner), below=last, **filters) if full else []


def statement_of(page: OrderPage, owner: str | None) -> str:
    """Return the statement whose index serves the page's filter."""
    if owner is not None:
        return SELECT_OWN_ORDERS
    if page.attention is not None:
        return SELECT_ORDERS_BY_ATTENTION
    if page.status == "pending" or (page.status and page.item is None):
        return SELECT_ORDERS_BY_STATUS
    if page.item is not None:
        return SELECT_ORDERS_BY_ITEM_AND_STATUS if page.status else SELECT_ORDERS_BY_ITEM
    return SELECT_ORDERS


def shown(order: Order) -> Order:
    """Return the order as callers see it: one line also as `item` and `quantity`."""
    lines = order["lines"]
    return {"order_id": order["order_id"], **(lines[0] if len(lines) == 1 else {}), **order}
