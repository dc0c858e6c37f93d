"""GET /inventory, GET /inventory/{item}, GET /inventory/changes/{change_id}: stock and its changes.

Reads only.
"""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.database.connection import statement
from orderflow.errors import NotFound
from orderflow.http.handler import http, json_response
from orderflow.http.pagination import Page, name_of, next_link, page_of, position_of
from orderflow.http.path import path_name, segments_of
from orderflow.logs import bind_log_fields
from orderflow.resources import worker

SELECT_STOCK = statement(__file__, "select_stock.sql")
SELECT_ITEM = statement(__file__, "select_item.sql")
SELECT_CHANGE = statement(__file__, "select_change.sql")
MAX_COUNTED = 10_000  # backorders of an item, in a millisecond or two
FIGURES = ("item", "on_hand", "reserved", "available", "short")


@http("GET", "HEAD", scope="inventory:read")
async def list_inventory(request: Request) -> Response:
    """Answer with a page of items, an item and a page of its ledger, or what a change came to."""
    segments = segments_of(request)
    if segments[:2] == ("inventory", "changes") and len(segments) > 2:
        return await one_change(path_name(request, "inventory", "changes"))
    page = page_of(request, Page)
    if segments != ("inventory",):
        return await one_item(request, path_name(request, "inventory"), page)
    after = name_of(page)
    rows = await worker().submit(
        lambda connection: connection.run(SELECT_STOCK, after=after, count=page.limit)
    )
    link = next_link(request, rows[-1][0]) if len(rows) == page.limit else {}
    return json_response([dict(zip(FIGURES, row, strict=True)) for row in rows], 200, link)


async def one_item(request: Request, item: str, page: Page) -> Response:
    """Answer with everything about one item."""
    bind_log_fields(item=item)
    below = position_of(page)
    wanted = {"item": item, "below": below, "count": page.limit, "most": MAX_COUNTED}
    rows = await worker().submit(lambda connection: connection.run(SELECT_ITEM, **wanted))
    if not rows:
        raise NotFound(f"there is no item {item}")
    shown = orjson.loads(rows[0][0])
    ledger = shown["ledger"]
    link = next_link(request, str(ledger[-1]["entry"])) if len(ledger) == page.limit else {}
    return json_response(shown, 200, link)


async def one_change(change_id: str) -> Response:
    """Answer with a change and what became of it: pending, applied, superseded or refused."""
    bind_log_fields(change_id=change_id)
    rows = await worker().submit(
        lambda connection: connection.run(SELECT_CHANGE, change_id=change_id)
    )
    if not rows:
        raise NotFound(f"there is no inventory change {change_id}")
    return json_response(orjson.loads(rows[0][0]))
