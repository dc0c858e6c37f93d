"""Bodies as they come in: bounded in size, in time, and all of them together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from orderflow.errors import BodyTooLarge, BodyTooSlow, QueueFull
from orderflow.server.protocol import BODY_IS_HERE

MAX_BODY_BYTES = 256 * 1024  # an order of 100 lines is about 25 KiB
MAX_READING_BYTES = 64 * 1024 * 1024  # of bodies not yet complete: an eighth of the memory there is
BODY_WITHIN_S = 10.0  # 25 KiB/s for the largest; who is slower holds memory and is asked to go


class BodyReader:
    """Reads bodies, as many at once as `room_bytes` hold, each within so many seconds."""

    def __init__(
        self, *, room_bytes: int = MAX_READING_BYTES, within_s: float = BODY_WITHIN_S
    ) -> None:
        self._free_bytes = room_bytes
        self._within_s = within_s

    async def read_body(self, request: Request) -> bytes:
        """Return the whole body; raises `BodyTooLarge`, `BodyTooSlow` or `QueueFull`."""
        declared_bytes = _declared_bytes(request, MAX_BODY_BYTES)
        if declared_bytes > MAX_BODY_BYTES:
            raise _too_large()
        if BODY_IS_HERE in request.scope:
            return (await _read(request, MAX_BODY_BYTES, MAX_BODY_BYTES))[0]
        async with self.room(declared_bytes):
            return (await _read(request, MAX_BODY_BYTES, MAX_BODY_BYTES))[0]

    async def read_start(self, request: Request, kept_bytes: int) -> tuple[bytes, int]:
        """Return at most so many bytes of a body of any length, and its length.

        All of it is read: who has not sent a body to its end may not hear the answer. Raises
        `BodyTooSlow` (408) or `QueueFull` (503).
        """
        if BODY_IS_HERE in request.scope:
            return await _read(request, kept_bytes)
        async with self.room(min(kept_bytes, _declared_bytes(request, MAX_READING_BYTES))):
            return await _read(request, kept_bytes)

    @asynccontextmanager
    async def room(self, size_bytes: int) -> AsyncIterator[None]:
        """Take bytes during the block; raises `QueueFull` (503) when there are fewer left."""
        if size_bytes > self._free_bytes:
            raise QueueFull("too many large bodies are on their way here; try again shortly")
        self._free_bytes -= size_bytes
        try:
            async with asyncio.timeout(self._within_s):
                yield
        except TimeoutError as error:
            raise BodyTooSlow(f"send the body within {self._within_s:g} s") from error
        finally:
            self._free_bytes += size_bytes


def _declared_bytes(request: Request, otherwise: int) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdigit() else otherwise


async def _read(
    request: Request, kept_bytes: int, max_bytes: float = float("inf")
) -> tuple[bytes, int]:
    # As a stream, because a request keeps what it reads at once until it is answered.
    kept, read_bytes = bytearray(), 0
    async for chunk in request.stream():
        kept += chunk[: kept_bytes - len(kept)]
        read_bytes += len(chunk)
        if read_bytes > max_bytes:
            raise _too_large()
    return bytes(kept), read_bytes


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"send at most {MAX_BODY_BYTES} bytes")
