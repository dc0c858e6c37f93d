"""The one thread of a process that talks to the database, with its connection."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from orderflow.database.connection import Connection, left_in_outbox, retrying
from orderflow.events.models import Event
from orderflow.server.admission import GIVE_UP_S, WaitEstimator, queue_timeout

R = TypeVar("R")

INTERNAL_ALLOWANCE = 8  # what a process asks of its worker for itself, which is not refused


class Worker:
    """Runs work in the thread, one piece after the other, and hands on what it recorded.

    `publish` gets the events of each commit, in the event loop, in the order of the commits and
    before the work's own result is known there.
    """

    def __init__(
        self,
        url: str,
        publish: Callable[[Sequence[Event]], object] = left_in_outbox,
        *,
        give_up_s: float = GIVE_UP_S,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._publish = publish
        self._connection = Connection(url, on_commit=self._committed)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._wait = WaitEstimator()
        self._waiting = 0
        self._give_up_s = give_up_s

    def submit(self, work: Callable[[Connection], R]) -> "asyncio.Future[R]":
        """Run `work` in the thread; deadlocks and stale connections are tried again.

        Raises `QueueFull` at once when too much waits already.
        """
        if self._waiting > INTERNAL_ALLOWANCE:
            self._wait.admit(self._waiting, self._waiting - 1, time.monotonic())
        attempt = partial(work, self._connection)
        future = self._loop.run_in_executor(self._thread, self._run, attempt, time.monotonic())
        self._waiting += 1
        future.add_done_callback(self._count_out)
        return future

    def _run(self, attempt: Callable[[], R], asked_s: float) -> R:
        began_s = time.monotonic()
        if began_s - asked_s > self._give_up_s:
            raise queue_timeout(self._give_up_s)
        self._wait.begin(began_s)
        try:
            return retrying(attempt)
        finally:
            self._wait.end(time.monotonic())

    def _committed(self, events: Sequence[Event]) -> None:
        self._loop.call_soon_threadsafe(self._publish, events)

    def _count_out(self, _: object) -> None:
        self._waiting -= 1
