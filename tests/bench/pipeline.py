"""How many orders a second go the whole way: accepted and allocated, with no backlog that grows."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.http_client.client import Client
from orderflow.database.connection import Connection
from orderflow_cli.audit.proof import pending
from orderflow_cli.demo.orders import post
from orderflow_cli.progress import bar
from tests.bench.cpu import cpu_s, descendants
from tests.bench.servers import ITEMS, allocation, fastapi, fastapi_allocation, ours, servers
from tests.support.waiting import eventually_async

CALLERS = 32
MAX_PENDING = 1_000  # the callers pause while more wait for their stock, so that no backlog grows
LOOK_EVERY_S = 0.1
WARM_UP_S = 3.0
TURNS = 3  # of each, one after the other; the median of so many
SECONDS = 20.0  # a turn
ENDS_WITHIN_S = 60.0  # for what is pending after a turn
COUNT_PENDING = "SELECT count(*) FROM bench_orders WHERE status = 'pending'"

Pending = Callable[[], int]


class Turn(NamedTuple):
    """Orders that went the whole way a second, and the CPU time of one in all processes."""

    per_s: float
    cpu_us: float


def main(console: Console) -> dict[str, list[Turn]]:
    """Measure, print a table, and return the turns of each variant."""
    with ExitStack() as running:
        database = running.enter_context(servers())
        variants = {
            "ours": (running.enter_context(ours()), lambda: pending(database)),
            "fastapi": (running.enter_context(fastapi()), lambda: _pending_of_fastapi(database)),
        }
        running.enter_context(allocation())
        running.enter_context(fastapi_allocation())
        turns: dict[str, list[Turn]] = {name: [] for name in variants}
        for name, (url, left) in variants.items():
            uvloop.run(turn(url, f"{name}-warm", left, WARM_UP_S))
        with bar(console, "whole pipeline", TURNS * len(variants)) as advance:
            for number in range(TURNS):
                for name, (url, left) in variants.items():
                    turns[name].append(uvloop.run(turn(url, f"{name}-{number}", left, SECONDS)))
                    advance(sum(map(len, turns.values())), TURNS * len(variants))
    console.print(table(turns))
    return turns


async def turn(url: str, run: str, left: Pending, seconds: float) -> Turn:
    """Place orders for so long; wait until all have their outcome."""
    client = Client(url, timeout_s=30.0, size=CALLERS)
    numbers, may_call = count(), asyncio.Event()
    started, before_s = time.perf_counter(), cpu_s(descendants(os.getpid()))
    may_call.set()

    async def call() -> None:
        while time.perf_counter() - started < seconds:
            await may_call.wait()
            number = next(numbers)
            item = f"Item {number % ITEMS}"
            body = {"order_id": f"{run}-{number}", "item": item, "quantity": 1}
            answer = await client.post(post(url, "/order", body))
            assert answer.status == 201, answer

    async def look() -> None:
        while time.perf_counter() - started < seconds:
            waiting = await asyncio.to_thread(left)
            (may_call.set if waiting < MAX_PENDING else may_call.clear)()
            await asyncio.sleep(LOOK_EVERY_S)
        may_call.set()

    await asyncio.gather(look(), *(call() for _ in range(CALLERS)))
    await eventually_async(lambda: not left(), within_s=ENDS_WITHIN_S)
    took_s = time.perf_counter() - started
    client.close()
    done = next(numbers)
    used_s = cpu_s(descendants(os.getpid())) - before_s
    return Turn(done / took_s, used_s / done * 1e6)


def _pending_of_fastapi(database: Connection) -> int:
    ((waiting,),) = database.run(COUNT_PENDING)
    return int(waiting)


def table(turns: dict[str, list[Turn]]) -> Table:
    """Return the medians, and how many times as fast ours is."""
    shown = Table("whole pipeline", "orders/s", "CPU µs an order", "ours is", title="32 callers")
    medians = {name: statistics.median(t.per_s for t in of) for name, of in turns.items()}
    for name, of in turns.items():
        cpu_us = statistics.median(t.cpu_us for t in of)
        ratio = "" if name == "ours" else f"{medians['ours'] / medians[name]:.1f} times"
        shown.add_row(name, f"{medians[name]:,.0f}", f"{cpu_us:,.0f}", ratio)
    return shown
