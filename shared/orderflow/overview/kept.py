"""One answer for all who ask at the same time, and shortly after."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_S = 1.0  # a page that is drawn anew every two seconds is never a second behind
COST = 20  # kept so many times as long as it took, so that it takes a twentieth of a connection
KEPT_AT_MOST_S = 10.0  # whatever it took: older is no overview


class Kept(Generic[T]):
    """Makes an answer when somebody asks for it and the one before is too old. A failure is kept
    for nobody but those who waited for it.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], *, kept_s: float = KEPT_S) -> None:
        self._make = make
        self._kept_s = kept_s
        self._made: asyncio.Task[T] | None = None
        self._until_s = 0.0

    async def get(self) -> T:
        """Return the answer; raises what making it raises."""
        if self._made is None or (self._made.done() and monotonic() >= self._until_s):
            self._made = asyncio.get_running_loop().create_task(self._make_timed())
        return await asyncio.shield(self._made)  # who leaves takes it from no other

    async def _make_timed(self) -> T:
        started_s = monotonic()
        made = await self._make()
        took_s = monotonic() - started_s
        self._until_s = monotonic() + max(self._kept_s, min(took_s * COST, KEPT_AT_MOST_S))
        return made
