"""Bodies as they come in: bounded in size, in time, and all of them together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from orderflow.errors import BodyTooLarge, BodyTooSlow, QueueFull

MAX_BODY_BYTES = 256 * 1024  # an order of 100 lines is about 25 KiB
MAX_READING_BYTES = 64 * 1024 * 1024  # of bodies not yet complete: an eighth of the memory there is
BODY_WITHIN_S = 10.0  # 25 KiB/s for the largest; who is slower holds memory and is asked to go


class Room:
    """So many bytes that may be taken at once."""

    def __init__(self, size_bytes: int) -> None:
        self._free_bytes = size_bytes

    @contextmanager
    def taken(self, size_bytes: int) -> Iterator[None]:
        """Take bytes during the block; raises `QueueFull` (503) when there are fewer left."""
        if size_bytes > self._free_bytes:
            raise QueueFull("too many large bodies are on their way here; try again shortly")
        self._free_bytes -= size_bytes
        try:
            yield
        finally:
            self._free_bytes += size_bytes


_room = Room(MAX_READING_BYTES)


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises `BodyTooLarge` (413), `BodyTooSlow` (408) or `QueueFull` (503).
    """
    declared = request.headers.get("content-length", "")
    size_bytes = int(declared) if declared.isdigit() else MAX_BODY_BYTES
    if size_bytes > MAX_BODY_BYTES:
        raise _too_large()
    with _room.taken(size_bytes):
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await _read(request)
        except TimeoutError as error:
            raise BodyTooSlow(f"send the body within {BODY_WITHIN_S:g} s") from error


async def _read(request: Request) -> bytes:
    # As a stream, because a request keeps what it reads at once until it is answered.
    chunks: list[bytes] = []
    read_bytes = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        read_bytes += len(chunk)
        if read_bytes > MAX_BODY_BYTES:
            raise _too_large()
    return b"".join(chunks)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"send at most {MAX_BODY_BYTES} bytes")
