"""How the workers of a function come by each other's numbers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from orderflow.metrics.process import metrics
from orderflow.metrics.series import Family, Numbers
from orderflow.metrics.workers import Snapshot, places

LEAVE_EVERY_S = 1.0  # how old the numbers of another worker are at most


@asynccontextmanager
async def shared_numbers() -> AsyncIterator[None]:
    """Take a place among the workers, and leave the numbers there from time to time."""
    if left := places().take():
        merge(metrics().families, left.grown)
    leaving = asyncio.create_task(_leave_regularly())
    try:
        yield
    finally:
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        places().leave(Snapshot.of(metrics()))


async def _leave_regularly() -> None:
    while True:
        places().leave(Snapshot.of(metrics()))
        await asyncio.sleep(LEAVE_EVERY_S)


def merge(families: Mapping[str, Family], snapshot: Mapping[str, Numbers]) -> None:
    """Add the numbers of another process."""
    for name, numbers in snapshot.items():
        if name in families:  # or it is of another version of this code
            families[name].merge(numbers)
