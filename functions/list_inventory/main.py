"""GET /inventory, GET /inventory/{item}, GET /inventory/changes and /inventory/changes/{change_id}:
stock and its changes.

Reads only. An item named `changes` is in the list of items; the path of its own is that of changes.
"""

from functools import partial
from typing import get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.database.connection import Connection, statement
from orderflow.errors import NotFound
from orderflow.http.handler import http, json_response
from orderflow.http.outgoing import fitting
from orderflow.http.pages import Found, found_rows, page_response
from orderflow.http.pagination import Page, name_of, page_of, position_of
from orderflow.http.path import path_name, segments_of
from orderflow.logs import bind_log_fields
from orderflow.resources import worker
from orderflow.stock.lists import ChangePage, ChangeStatus

SELECT_STOCK = statement(__file__, "select_stock.sql")
SELECT_ITEM = statement(__file__, "select_item.sql")
SELECT_CHANGE = statement(__file__, "select_change.sql")
SELECT_CHANGES = statement(__file__, "select_changes.sql")
SELECT_CHANGES_BY_ITEM = statement(__file__, "select_changes_by_item.sql")
CHANGES = ("inventory", "changes")
MAX_COUNTED = 10_000  # backorders of an item, in a millisecond or two
FIGURES = ("item", "on_hand", "reserved", "available", "short", "threshold")


@http("GET", "HEAD", scope="inventory:read")
async def list_inventory(request: Request) -> Response:
    """Answer with a page of items, an item and a page of its ledger, or what a change came to."""
    segments = segments_of(request)
    if segments == CHANGES:
        asked = page_of(request, ChangePage)
        return await page_response(request, partial(read_changes, asked, position_of(asked)))
    if segments[:2] == CHANGES:
        return await one_change(path_name(request, *CHANGES))
    page = page_of(request, Page)
    if segments != ("inventory",):
        item = path_name(request, "inventory")
        bind_log_fields(item=item)
        return await page_response(request, partial(read_item, page, item, position_of(page)))
    return await page_response(request, partial(read_stock, page, name_of(page)))


def read_stock(page: Page, after: str, connection: Connection) -> Found:
    """Return a page of items by name."""
    rows = connection.run(SELECT_STOCK, after=after, count=page.limit)
    shown = ((row[0], orjson.dumps(dict(zip(FIGURES, row, strict=True)))) for row in rows)
    return found_rows(shown, page.limit)


def read_item(page: Page, item: str, below: int, connection: Connection) -> Found:
    """Return everything about one item, and a page of its ledger."""
    wanted = {"item": item, "below": below, "count": page.limit, "most": MAX_COUNTED}
    shown = connection.value(SELECT_ITEM, **wanted)
    if shown is None:
        raise NotFound(f"there is no item {item}")
    entries = ((entry["entry"], orjson.dumps(entry)) for entry in shown["ledger"])
    ledger, after = fitting(entries, page.limit)
    return Found(orjson.dumps(shown | {"ledger": shown["ledger"][: len(ledger)]}), after)


def read_changes(page: ChangePage, below: int, connection: Connection) -> Found:
    """Return a page of changes, newest first."""
    statuses = [page.outcome] if page.outcome else get_args(ChangeStatus)
    wanted = {"statuses": statuses, "below": below, "count": page.limit}
    if page.item is None:
        rows = connection.run(SELECT_CHANGES, **wanted)
    else:
        rows = connection.run(SELECT_CHANGES_BY_ITEM, item=page.item, **wanted)
    return found_rows(((position, shown.encode()) for position, shown in rows), page.limit)


async def one_change(change_id: str) -> Response:
    """Answer with a change and what became of it: pending, applied, superseded or refused."""
    bind_log_fields(change_id=change_id)
    rows = await worker().submit(
        lambda connection: connection.run(SELECT_CHANGE, change_id=change_id)
    )
    if not rows:
        raise NotFound(f"there is no inventory change {change_id}")
    return json_response(orjson.loads(rows[0][0]))
