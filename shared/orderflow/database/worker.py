"""The one thread of a process that talks to the database, with its connection."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TypeVar

from orderflow.database.connection import Connection, retrying
from orderflow.database.event import Event
from orderflow.metrics.process import metrics
from orderflow.server.admission import WaitEstimator

R = TypeVar("R")

INTERNAL_ALLOWANCE = 8  # what a process asks of its worker for itself, which is not refused


class Worker:
    """Runs work in the thread, one piece after the other, and hands on the events it recorded.

    `publish` gets those of each commit, in the event loop, in the order of the commits and before
    the work's own result is known there.
    """

    def __init__(
        self, url: str, publish: Callable[[Sequence[Event]], object] | None = None
    ) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        in_loop = self._loop.call_soon_threadsafe
        self._connection = Connection(url, publish and (lambda events: in_loop(publish, events)))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._wait = WaitEstimator()
        self._waiting = 0
        metrics().submitted.ask[()] = lambda: self._waiting

    def connect(self, *, answer_timeout_s: float) -> Connection:
        """Return another connection, for what takes so long that nobody may wait behind it."""
        return Connection(self._url, answer_timeout_s=answer_timeout_s)

    def submit(self, work: Callable[[Connection], R]) -> "asyncio.Future[R]":
        """Run `work` in the thread; deadlocks and stale connections are tried again.

        Raises `QueueFull` at once when too much waits already.
        """
        if self._waiting > INTERNAL_ALLOWANCE:
            self._wait.admit(self._waiting, self._waiting - 1, monotonic())
        attempt = partial(work, self._connection)
        future = self._loop.run_in_executor(self._thread, self._run, attempt, monotonic())
        self._waiting += 1
        future.add_done_callback(self._count_out)
        return future

    def _run(self, attempt: Callable[[], R], since_s: float) -> R:
        if late := self._wait.queue_timeout(since_s, monotonic()):
            raise late
        self._wait.begin(monotonic())
        try:
            return retrying(attempt)
        finally:
            self._wait.end(monotonic())

    def _count_out(self, _: object) -> None:
        self._waiting -= 1
