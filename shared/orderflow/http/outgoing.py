"""Pages on their way to callers: bounded in size, in number and in time."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orderflow.errors import QueueFull
from orderflow.logs import logger

MAX_PAGE_BYTES = 512 * 1024  # 20 orders of 100 lines, or more than 500 of one
MAX_PAGES = 256  # at once, with 128 MiB: as many connections as a gateway has to a function
WAIT_S = 5.0  # for others' pages to be taken
TAKE_WITHIN_S = 30.0  # 17 KiB/s for the largest; who is slower holds memory and is cut off
PIECE_BYTES = 64 * 1024  # what the server itself holds of an answer before it waits for the caller

T = TypeVar("T")


class Outgoing:
    """Room for so many pages at once, each taken by its caller within so many seconds."""

    def __init__(
        self,
        *,
        pages: int = MAX_PAGES,
        wait_s: float = WAIT_S,
        take_within_s: float = TAKE_WITHIN_S,
    ) -> None:
        self._room = asyncio.Semaphore(pages)
        self._wait_s, self.take_within_s = wait_s, take_within_s

    async def acquire(self) -> None:
        """Take room for a page that is not read yet; raises `QueueFull` (503)."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._room.acquire()
        except TimeoutError as error:
            raise QueueFull("too many pages are on their way; try again shortly") from error

    def release(self) -> None:
        """Give the room back."""
        self._room.release()


class PagesResponse(Response):
    """Sends pages one after the other, in room that was acquired for one of them."""

    def __init__(
        self,
        pages: AsyncIterator[bytes],
        outgoing: Outgoing,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        self.status_code, self.media_type, self.background = 200, media_type, None
        self.init_headers(headers)
        self._pages, self._outgoing = pages, outgoing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or end the connection when a page is not taken in time."""
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            async for page in self._pages:
                async with asyncio.timeout(self._outgoing.take_within_s):
                    for at in range(0, len(page), PIECE_BYTES):
                        body = page[at : at + PIECE_BYTES]
                        await send({"type": "http.response.body", "body": body, "more_body": True})
            async with asyncio.timeout(self._outgoing.take_within_s):
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            logger().warning("cut off", why="a page was not taken in time")
        finally:
            self._outgoing.release()


def fitting(rows: Iterable[tuple[T, bytes]], limit: int) -> tuple[list[bytes], T | None]:
    """Return as many rows as a page holds, one at least and `limit` at most.

    With them comes the place of the last, unless `rows` ended before: there may be more.
    """
    page, size_bytes, last = list[bytes](), 0, None
    for place, row in rows:
        size_bytes += len(row) + 1
        if page and size_bytes > MAX_PAGE_BYTES:
            return page, last
        page.append(row)
        last = place
        if len(page) == limit:
            return page, last
    return page, None
