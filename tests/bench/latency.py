"""How long an order takes from accepted to allocated: at an even 500 a second, and at full load.

At the even rate the clock of an order starts when it was to be sent, whether its caller got to it
then or not: else what waits behind a pause would not count ("coordinated omission").
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import uvloop
from rich.console import Console

from knative_local.http_client.client import Client
from orderflow.database.connection import Connection
from orderflow_cli.audit.proof import pending
from orderflow_cli.demo.orders import post
from orderflow_cli.progress import bar
from tests.bench.calling import WITHIN_S, percentile
from tests.bench.pipeline import WARM_UP_S, one_of_many, turn
from tests.bench.report import Figure, at_most
from tests.bench.servers import allocation, ours, servers
from tests.support.waiting import eventually_async

RATE_PER_S = 500
SECONDS = 15.0  # a turn
TURNS = 3  # of each kind, one after the other
CONNECTIONS = 256  # far more than are ever busy at that rate
EVEN_MS, FULL_MS = 300, 1_000  # what is wanted of p99
ACCEPTED_TO_ALLOCATED = """
SELECT order_id, extract(epoch FROM placed_at)::float8, extract(epoch FROM at)::float8
FROM orders JOIN order_history USING (position)
WHERE order_id LIKE :run AND order_history.sequence = 2
"""

Times = Mapping[str, tuple[float, float]]
"""When an order was accepted and when it was decided on, by its id: s since 1970."""


def main(console: Console) -> list[Figure]:
    """Measure, and return the rows."""
    even, full, per_s = measure(console)
    what = f"ms from an order's time to be sent to allocated, at an even {RATE_PER_S}/s"
    at_load = f"ms from accepted to allocated, at full load ({per_s:,.0f}/s): p50 / p95 / p99"
    return [
        at_most("latency", f"{what}: p50 / p95 / p99", *said(even), EVEN_MS),
        at_most("latency", at_load, *said(full), FULL_MS),
    ]


def measure(
    console: Console, rounds: int = TURNS, seconds: float = SECONDS
) -> tuple[list[float], list[float], float]:
    """Return the ms of each order at the even rate and at full load, and what that load was."""
    even: list[float] = []
    full: list[float] = []
    per_s = 0.0
    with ExitStack() as running:
        database = running.enter_context(servers())
        url = running.enter_context(ours())
        running.enter_context(allocation())
        uvloop.run(turn(url, "warm", lambda: pending(database), WARM_UP_S))
        with bar(console, "latency", 2 * rounds) as advance:
            # The even rate first: the embedded broker reads the slower the more it holds.
            for number in range(rounds):
                run = f"even-{number}"
                sent = uvloop.run(evenly(url, run, database, seconds))
                even += [(at - sent[name]) * 1000 for name, (_, at) in times(database, run).items()]
                advance(number + 1, 2 * rounds)
            for number in range(rounds):
                run = f"full-{number}"
                done = uvloop.run(turn(url, run, lambda: pending(database), seconds))
                full += [(at - since) * 1000 for since, at in times(database, run).values()]
                per_s = max(per_s, done.per_s)
                advance(rounds + number + 1, 2 * rounds)
    return even, full, per_s


async def evenly(
    url: str, run: str, database: Connection, seconds: float, rate_per_s: int = RATE_PER_S
) -> dict[str, float]:
    """Send orders at an even rate, answered or not; return when each was to be sent."""
    client = Client(url, timeout_s=WITHIN_S, size=CONNECTIONS)
    started, clock_s = time.perf_counter(), time.time()
    sent: dict[str, float] = {}

    async def call(number: int) -> None:
        body = {"order_id": f"{run}-{number}", **one_of_many(number)}
        answer = await client.post(post(url, "/order", body))
        assert answer.status == 201, answer

    async with asyncio.TaskGroup() as calls:
        for number in range(int(seconds * rate_per_s)):
            due_s = number / rate_per_s
            await asyncio.sleep(max(0.0, started + due_s - time.perf_counter()))
            sent[f"{run}-{number}"] = clock_s + due_s
            calls.create_task(call(number))
    client.close()
    await eventually_async(lambda: not pending(database), within_s=WITHIN_S)
    return sent


def times(database: Connection, run: str) -> Times:
    """Return the times of the orders of one turn, from the database."""
    rows = database.run(ACCEPTED_TO_ALLOCATED, run=f"{run}-%")
    assert rows, run
    return {order_id: (accepted, decided) for order_id, accepted, decided in rows}


def said(took_ms: Sequence[float]) -> tuple[str, float]:
    """Say the percentiles; return them, and the last of them."""
    ordered = sorted(took_ms)
    found = [percentile(ordered, share) for share in (0.5, 0.95, 0.99)]
    return " / ".join(f"{ms:,.0f}" for ms in found) + " ms", found[-1]
