"""Group commit: calls that arrive together are committed together.

A function hands its item to a batch and awaits its own result. While one transaction runs, the
next calls gather; so the batch grows with the load and nobody waits for a timer. All batches of a
process share its worker, which publishes what they record.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Generic, NamedTuple, TypeVar

from orderflow.database.connection import Connection, Refused
from orderflow.errors import OrderFlowError
from orderflow.metrics.process import metrics
from orderflow.metrics.series import OTHER
from orderflow.resources import worker
from orderflow.server.admission import WaitEstimator
from orderflow.tracing.spans import Traced, record_commit, traced_call

I = TypeVar("I")  # noqa: E741 (item)
R = TypeVar("R")

MAX_BATCH = 200  # one statement stays in the low milliseconds, and so do its row locks
GIVE_UP_TICK_S = 0.25  # how late it may be noticed that somebody waits too long

# Takes items, returns for each its result or the error that its caller is to get.
Transaction = Callable[[Connection, Sequence[I]], Sequence[R | OrderFlowError]]


class Waiting(NamedTuple, Generic[I, R]):
    """A call, when it came (monotonic seconds), and its span if it has one."""

    item: I
    future: "asyncio.Future[R]"
    since_s: float
    traced: Traced | None

    def fail(self, error: Exception) -> None:
        """Give the caller an error, if there still is a caller."""
        if not self.future.done():
            self.future.set_exception(error)


class Batch(Generic[I, R]):
    """Calls of `transaction` gathered into few.

    `transaction` takes a connection and up to `limit` items and returns a result for each, in
    their order; it handles equal items as if they had come one after the other. When the database
    refuses what one of them asks for, it runs again on halves, so that the others succeed.
    """

    def __init__(
        self,
        transaction: Transaction[I, R],
        *,
        limit: int = MAX_BATCH,
        wait: WaitEstimator | None = None,
    ) -> None:
        self._transaction = transaction
        self._name: str = getattr(transaction, "__name__", OTHER)
        self._limit = limit
        self._wait = wait or WaitEstimator()
        self._waiting: deque[Waiting[I, R]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._giving_up: asyncio.TimerHandle | None = None

    async def __call__(self, item: I) -> R:
        """Return the item's own result, or raise its own error.

        That is `QueueFull` where too many wait or it takes too long: at once if that is known.
        """
        now_s, loop = monotonic(), asyncio.get_running_loop()
        self._wait.admit(len(self._waiting), len(self._waiting) // self._limit, now_s)
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append(Waiting(item, future, now_s, traced_call()))
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        if self._giving_up is None:
            self._giving_up = loop.call_later(GIVE_UP_TICK_S, self._give_up)
        return await future

    async def _drain(self) -> None:
        counted, name = metrics(), self._name
        counted.waiting.ask[(name,)] = lambda: len(self._waiting)
        while self._waiting:
            count = min(len(self._waiting), self._limit)
            taken = [self._waiting.popleft() for _ in range(count)]
            began_s = monotonic()
            self._wait.begin(began_s)
            await self._commit(taken)
            ended_s = monotonic()
            self._wait.end(ended_s)
            counted.batch_calls.observe(count, name)
            counted.batch_durations.observe(ended_s - began_s, name)

    def _give_up(self) -> None:
        now_s = monotonic()
        while self._waiting and (late := self._wait.queue_timeout(self._waiting[0].since_s, now_s)):
            self._waiting.popleft().fail(late)
        again = asyncio.get_running_loop().call_later
        self._giving_up = again(GIVE_UP_TICK_S, self._give_up) if self._waiting else None

    async def _commit(self, taken: Sequence[Waiting[I, R]]) -> None:
        begun_s = monotonic()
        try:
            items = [call.item for call in taken]
            results: Sequence[R | Exception] = await worker().submit(partial(self._run, items))
        except Exception as error:  # whatever it is, each caller must hear of it
            if len(taken) > 1 and isinstance(error, Refused):
                half = len(taken) // 2
                await self._commit(taken[:half])
                await self._commit(taken[half:])
                return
            results = [error] * len(taken)
        for call, result in zip(taken, results, strict=True):
            if isinstance(result, Exception):
                call.fail(result)
            elif not call.future.done():
                call.future.set_result(result)
        if served := [(call.traced, call.since_s) for call in taken if call.traced is not None]:
            record_commit(self._name, served, len(taken), begun_s)

    def _run(self, items: Sequence[I], connection: Connection) -> Sequence[R | OrderFlowError]:
        results = self._transaction(connection, items)
        if len(results) != len(items):
            raise RuntimeError(f"{len(results)} results for {len(items)} items")
        return results
