"""Group commit: calls that arrive together are committed together.

A function hands its item to a batch and awaits its own result. While one transaction runs, the
next calls gather; so the batch grows with the load and nobody waits for a timer. One process has
one worker thread and one database connection, which all its batches share.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Generic, TypeVar

from orderflow.config import settings
from orderflow.database import Connection, retrying
from orderflow.errors import Later, OrderFlowError, QueueFull

I = TypeVar("I")  # noqa: E741 (item)
R = TypeVar("R")

MAX_BATCH = 200  # one statement stays in the low milliseconds, and so do its row locks
MAX_WAITING = 2_000  # about a second of work; beyond it an answer at once beats latency

# Takes items, returns for each its result or the error that its caller is to get.
Transaction = Callable[[Connection, Sequence[I]], Sequence[R | OrderFlowError]]


class Worker:
    """The thread that talks to the database, and its connection."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    def submit(self, work: Callable[[Connection], R]) -> "asyncio.Future[R]":
        """Run `work` in the thread; deadlocks and stale connections are tried again."""
        loop = asyncio.get_running_loop()
        attempt = partial(work, self._connection)
        return loop.run_in_executor(self._thread, retrying, attempt)


@cache
def worker() -> Worker:
    """Return this process's worker, made on first use."""
    return Worker(settings().database_url)


class Batch(Generic[I, R]):
    """Calls of `transaction` gathered into few.

    `transaction` takes a connection and up to `MAX_BATCH` items and returns a result for each, in
    their order; it handles equal items as if they had come one after the other. When it fails for
    good because of one item, it runs again on halves, so that the others succeed.
    """

    def __init__(self, transaction: Transaction[I, R], *, limit: int = MAX_BATCH) -> None:
        self._transaction = transaction
        self._limit = limit
        self._waiting: deque[tuple[I, asyncio.Future[R]]] = deque()
        self._draining: asyncio.Task[None] | None = None

    async def __call__(self, item: I) -> R:
        """Return the item's own result, or raise its own error.

        Raises `QueueFull` at once when `MAX_WAITING` calls wait already.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise QueueFull(f"{MAX_WAITING} calls are waiting; try again shortly")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._limit)
            taken = [self._waiting.popleft() for _ in range(count)]
            await self._commit(taken)

    async def _commit(self, taken: Sequence[tuple[I, "asyncio.Future[R]"]]) -> None:
        items = [item for item, _ in taken]
        try:
            results = await worker().submit(partial(_swapped, self._transaction, items))
        except Exception as error:  # whatever it is, each caller must hear of it
            await self._split(taken, error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            if future.done():
                continue
            if isinstance(result, OrderFlowError):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _split(
        self, taken: Sequence[tuple[I, "asyncio.Future[R]"]], error: Exception
    ) -> None:
        if len(taken) > 1 and not isinstance(error, Later):
            half = len(taken) // 2
            await self._commit(taken[:half])
            await self._commit(taken[half:])
            return
        for _, future in taken:
            if not future.done():
                future.set_exception(error)


def _swapped(
    transaction: Transaction[I, R], items: Sequence[I], connection: Connection
) -> Sequence[R | OrderFlowError]:
    return transaction(connection, items)
