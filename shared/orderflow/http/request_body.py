"""Bodies as they come in: bounded in size, in time, and all of them together."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from starlette.requests import Request

from orderflow.errors import BodyTooLarge, BodyTooSlow, QueueFull

T = TypeVar("T")

MAX_BODY_BYTES = 256 * 1024  # an order of 100 lines is about 25 KiB
SMALL_BODY_BYTES = 16 * 1024  # of an event, which comes with its head: a timer would cost more
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
    declared_bytes = _declared_bytes(request, MAX_BODY_BYTES)
    if declared_bytes > MAX_BODY_BYTES:
        raise _too_large()
    return await _within_bounds(_read(request), declared_bytes)


async def read_start(request: Request, kept_bytes: int) -> tuple[bytes, int]:
    """Return at most so many bytes of a body of any length, and its length.

    All of it is read: who has not sent a body to its end may not hear the answer. Raises
    `BodyTooSlow` (408) or `QueueFull` (503), if it is not small.
    """
    declared_bytes = _declared_bytes(request, MAX_READING_BYTES)
    if declared_bytes <= SMALL_BODY_BYTES:
        return await _read_start(request, kept_bytes)
    return await _within_bounds(_read_start(request, kept_bytes), min(kept_bytes, declared_bytes))


def _declared_bytes(request: Request, otherwise: int) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() else otherwise


async def _within_bounds(reading: Coroutine[None, None, T], size_bytes: int) -> T:
    with closing(reading), _room.taken(size_bytes):
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await reading
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


async def _read_start(request: Request, kept_bytes: int) -> tuple[bytes, int]:
    kept, read_bytes = bytearray(), 0
    async for chunk in request.stream():
        kept += chunk[: kept_bytes - len(kept)]
        read_bytes += len(chunk)
    return bytes(kept), read_bytes


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"send at most {MAX_BODY_BYTES} bytes")
