"""Answers that are a page, or page after page as a stream."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.database.connection import Connection
from orderflow.http.outgoing import PagesResponse, fitting
from orderflow.http.pagination import next_link
from orderflow.resources import resources, worker


class Found(NamedTuple):
    """A page as it goes out, and the place after which the next starts, if there may be one."""

    body: bytes
    after: int | str | None


def found_rows(rows: Iterable[tuple[int | str, bytes]], limit: int) -> Found:
    """Return a page that is an array of rows, each with its place in the list."""
    page, after = fitting(rows, limit)
    return Found(b"[" + b",".join(page) + b"]", after)


Read = Callable[[Connection], Found]
Row = dict[str, Any]


def read_rows(
    limit: int,
    read: Callable[[Connection], list[Row]],
    place: Callable[[Row], int | str],
    connection: Connection,
) -> Found:
    """Return a page of what is read, and the place of its last row where there may be more."""
    return found_rows(((place(row), orjson.dumps(row)) for row in read(connection)), limit)


async def page_response(request: Request, read: Read) -> Response:
    """Answer with a page of JSON and, where there may be more, the link to the next."""
    found = await _first(read)
    link = {} if found.after is None else next_link(request, str(found.after))
    size = {"Content-Length": str(len(found.body))}
    pages = _pages(request, found)
    return PagesResponse(pages, resources().outgoing, size | link, "application/json")


async def stream_response(
    request: Request, read: Read, following: Callable[[int | str], Read], media_type: str
) -> Response:
    """Answer with all pages from this one on; `following` reads the one after a place."""
    pages = _pages(request, await _first(read), following)
    return PagesResponse(pages, resources().outgoing, {}, media_type)


async def _first(read: Read) -> Found:
    outgoing = resources().outgoing
    await outgoing.acquire()
    try:
        return await worker().submit(read)
    except BaseException:
        outgoing.release()
        raise


async def _pages(
    request: Request, found: Found, following: Callable[[int | str], Read] | None = None
) -> AsyncIterator[bytes]:
    yield found.body
    while following is not None and found.after is not None and request.method != "HEAD":
        if await request.is_disconnected():
            return
        found = await worker().submit(following(found.after))
        yield found.body
