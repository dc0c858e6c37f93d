"""Kept-alive connections from the gateway to one function."""

import asyncio
import time
from collections import deque
from http import HTTPStatus

from knative_local.gateway.exchange import Exchange
from knative_local.gateway.function_connection import FunctionConnection

MAX_CONNECTIONS = 256  # more than one Python process can make use of at once
# gunicorn closes a connection that was idle for 2 s. A request sent just then is lost, and most
# must not be repeated, so connections are given up well before.
IDLE_LIMIT_S = 1.0
# A function that has crashed is back in a second or two; callers are held for as long as that.
CONNECT_WAIT_S = 5.0
CONNECT_INTERVAL_S = 0.05
QUEUE_PER_CONCURRENCY = 10  # queue-proxy's depth per unit of containerConcurrency

AWAY = "the function is not running; nothing was sent to it"


class FunctionPool:
    """The connections to one function, at most `concurrency` (0: 256) of them."""

    def __init__(
        self, name: str, address: tuple[str, int], *, timeout_s: float, concurrency: int
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._address = address
        self._limit = min(concurrency or MAX_CONNECTIONS, MAX_CONNECTIONS)
        self._queue_limit = concurrency * QUEUE_PER_CONCURRENCY
        self._open = 0
        self._idle: list[FunctionConnection] = []
        self._waiting: deque[Exchange] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._under_way: set[Exchange] = set()

    def submit(self, exchange: Exchange) -> None:
        """Send the request as soon as a connection is there for it."""
        exchange.deadline = time.monotonic() + self.timeout_s
        self._under_way.add(exchange)
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(IDLE_LIMIT_S):
                connection.begin(exchange)
                return
            connection.abandon()
        if self._queue_limit and len(self._waiting) >= self._queue_limit:
            self.forget(exchange)
            exchange.fail(HTTPStatus.SERVICE_UNAVAILABLE, "pending request queue full")
            return
        self._waiting.append(exchange)
        self._connect_for_waiting()

    def release(self, connection: FunctionConnection) -> None:
        """Take back a connection whose exchange is over."""
        exchange = self._next_waiting()
        if exchange is None:
            self._idle.append(connection)
        else:
            connection.begin(exchange)
            exchange.caller.proceed()

    def repeat(self, exchange: Exchange) -> None:
        """Send a request once more, before all that wait, and not a third time."""
        exchange.function, exchange.repeatable = None, False
        self._waiting.appendleft(exchange)

    def lost(self, connection: FunctionConnection) -> None:
        """Count a connection out; one more may be opened for those who wait."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._connect_for_waiting()

    def forget(self, exchange: Exchange) -> None:
        """The exchange is over, or its caller has gone."""
        self._under_way.discard(exchange)

    def expire(self, now: float) -> None:
        """End the exchanges that are past their deadline (monotonic seconds)."""
        for exchange in [e for e in self._under_way if e.deadline < now]:
            self.forget(exchange)
            exchange.expire()

    def _next_waiting(self) -> Exchange | None:
        while self._waiting:
            exchange = self._waiting.popleft()
            if exchange in self._under_way:
                return exchange
        return None

    def _connect_for_waiting(self) -> None:
        if len(self._connecting) >= len(self._waiting) or self._open >= self._limit:
            return
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._connect_in_time())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_in_time(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + CONNECT_WAIT_S
        while True:
            try:
                _, connection = await loop.create_connection(
                    lambda: FunctionConnection(self), *self._address
                )
            except OSError:  # refused: not one byte was sent, so trying again is safe
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(CONNECT_INTERVAL_S)
            else:
                self.release(connection)
                return
        self._open -= 1
        if exchange := self._next_waiting():
            self.forget(exchange)
            exchange.fail(HTTPStatus.SERVICE_UNAVAILABLE, AWAY)
        self._connect_for_waiting()
