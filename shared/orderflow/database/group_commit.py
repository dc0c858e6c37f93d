"""Group commit: calls that arrive together are committed together.

A function hands its item to a batch and awaits its own result. While one transaction runs, the
next calls gather; so the batch grows with the load and nobody waits for a timer. One process has
one worker thread and one database connection, which all its batches share.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Generic, NamedTuple, TypeVar

from orderflow.config import settings
from orderflow.database.connection import Connection, retrying
from orderflow.errors import Later, OrderFlowError
from orderflow.server.admission import GIVE_UP_S, Turns, waited_in_vain

I = TypeVar("I")  # noqa: E741 (item)
R = TypeVar("R")

MAX_BATCH = 200  # one statement stays in the low milliseconds, and so do its row locks
OWN_WORK = 8  # what a process asks of its worker for itself, which is not refused
GIVE_UP_TICK_S = 0.25  # how late it may be noticed that somebody waits too long

# Takes items, returns for each its result or the error that its caller is to get.
Transaction = Callable[[Connection, Sequence[I]], Sequence[R | OrderFlowError]]


class Worker:
    """The thread that talks to the database, and its connection."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._turns = Turns()
        self._waiting = 0

    def submit(self, work: Callable[[Connection], R]) -> "asyncio.Future[R]":
        """Run `work` in the thread; deadlocks and stale connections are tried again.

        Raises `QueueFull` at once when too much waits already.
        """
        if self._waiting > OWN_WORK:
            self._turns.admit(self._waiting, self._waiting - 1, time.monotonic())
        loop = asyncio.get_running_loop()
        attempt = partial(work, self._connection)
        future = loop.run_in_executor(self._thread, self._in_turn, attempt, time.monotonic())
        self._waiting += 1
        future.add_done_callback(self._count_out)
        return future

    def _in_turn(self, attempt: Callable[[], R], asked_s: float) -> R:
        began_s = time.monotonic()
        if began_s - asked_s > GIVE_UP_S:
            raise waited_in_vain()
        self._turns.begin(began_s)
        try:
            return retrying(attempt)
        finally:
            self._turns.end(time.monotonic())

    def _count_out(self, _: object) -> None:
        self._waiting -= 1


@cache
def worker() -> Worker:
    """Return this process's worker, made on first use."""
    return Worker(settings().database_url)


class Waiting(NamedTuple, Generic[I, R]):
    """A call, and when it came (monotonic seconds)."""

    item: I
    future: "asyncio.Future[R]"
    since_s: float


class Batch(Generic[I, R]):
    """Calls of `transaction` gathered into few.

    `transaction` takes a connection and up to `MAX_BATCH` items and returns a result for each, in
    their order; it handles equal items as if they had come one after the other. When it fails for
    good because of one item, it runs again on halves, so that the others succeed.
    """

    def __init__(self, transaction: Transaction[I, R], *, limit: int = MAX_BATCH) -> None:
        self._transaction = transaction
        self._limit = limit
        self._waiting: deque[Waiting[I, R]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._turns = Turns()
        self._giving_up: asyncio.TimerHandle | None = None

    async def __call__(self, item: I) -> R:
        """Return the item's own result, or raise its own error.

        Raises `QueueFull` at once when too many calls wait already or the wait would be too long,
        and later when it became so.
        """
        now_s = time.monotonic()
        self._turns.admit(len(self._waiting), len(self._waiting) // self._limit, now_s)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append(Waiting(item, future, now_s))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        if self._giving_up is None:
            self._giving_up = loop.call_later(GIVE_UP_TICK_S, self._give_up)
        return await future

    async def _drain(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._limit)
            taken = [self._waiting.popleft() for _ in range(count)]
            self._turns.begin(time.monotonic())
            await self._commit(taken)
            self._turns.end(time.monotonic())

    def _give_up(self) -> None:
        now_s = time.monotonic()
        while self._waiting and now_s - self._waiting[0].since_s > GIVE_UP_S:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(waited_in_vain())
        again = asyncio.get_running_loop().call_later
        self._giving_up = again(GIVE_UP_TICK_S, self._give_up) if self._waiting else None

    async def _commit(self, taken: Sequence[Waiting[I, R]]) -> None:
        items = [call.item for call in taken]
        try:
            results = await worker().submit(partial(_swapped, self._transaction, items))
        except Exception as error:  # whatever it is, each caller must hear of it
            await self._split(taken, error)
            return
        for (_, future, _), result in zip(taken, results, strict=True):
            if future.done():
                continue
            if isinstance(result, OrderFlowError):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _split(self, taken: Sequence[Waiting[I, R]], error: Exception) -> None:
        if len(taken) > 1 and not isinstance(error, Later):
            half = len(taken) // 2
            await self._commit(taken[:half])
            await self._commit(taken[half:])
            return
        for call in taken:
            if not call.future.done():
                call.future.set_exception(error)


def _swapped(
    transaction: Transaction[I, R], items: Sequence[I], connection: Connection
) -> Sequence[R | OrderFlowError]:
    return transaction(connection, items)
