"""Waiting for what another process or thread does: looked at again and again, to a deadline."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_S = 30.0  # for anything a test waits for; a shared machine may be slow
POLL_S = 0.05  # a look is often a call of a function, on cores that all tests share


def eventually(
    look: Callable[[], T],
    *,
    within_s: float = DEADLINE_S,
    every_s: float = POLL_S,
    what: str = "it",
) -> T:
    """Return what `look` returns once that is true; fail when it is not in time."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} did not come true in {within_s:g} s"
        time.sleep(every_s)
    return seen


async def eventually_async(look: Callable[[], T], *, within_s: float = DEADLINE_S) -> T:
    """Wait as `eventually` does, while the event loop goes on."""
    return await asyncio.to_thread(eventually, look, within_s=within_s)
