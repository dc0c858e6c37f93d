"""How many orders a second go the whole way: accepted and allocated, with no backlog that grows."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
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
from tests.bench.calling import median_and_range
from tests.bench.cpu import cpu_s, descendants
from tests.bench.report import Figure, at_least, at_most
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
COMPARED = "the same, compared"


Pending = Callable[[], int]
Order = Callable[[int], dict[str, object]]
"""Makes the body of an order of a number, but its id."""
Turns = dict[str, list["Turn"]]


def one_of_many(number: int) -> dict[str, object]:
    """Want the items in turn."""
    return {"item": f"Item {number % ITEMS}", "quantity": 1}


class Turn(NamedTuple):
    """Orders that went the whole way a second, and the CPU time of one in all processes."""

    per_s: float
    cpu_us: float


def main(console: Console) -> list[Figure]:
    """Measure, print a table, and return the rows."""
    turns = measure(console)
    console.print(table(turns))
    return figures(turns)


def measure(console: Console, seconds: float = SECONDS, rounds: int = TURNS) -> Turns:
    """Return the turns of each variant."""
    with ExitStack() as running:
        database = running.enter_context(servers())
        variants = {
            "ours": (running.enter_context(ours()), lambda: pending(database)),
            "fastapi": (running.enter_context(fastapi()), lambda: _pending_of_fastapi(database)),
        }
        running.enter_context(allocation())
        running.enter_context(fastapi_allocation())
        turns: Turns = {name: [] for name in variants}
        for name, (url, left) in variants.items():
            uvloop.run(turn(url, f"{name}-warm", left, WARM_UP_S))
        with bar(console, "whole pipeline", rounds * len(variants)) as advance:
            for number in range(rounds):
                for name, (url, left) in variants.items():
                    turns[name].append(uvloop.run(turn(url, f"{name}-{number}", left, seconds)))
                    advance(sum(map(len, turns.values())), rounds * len(variants))
    return turns


async def turn(
    url: str,
    run: str,
    left: Pending,
    seconds: float,
    *,
    order: Order = one_of_many,
    max_pending: int = MAX_PENDING,
) -> Turn:
    """Place orders for so long; wait until all have their outcome."""
    client = Client(url, timeout_s=30.0, size=CALLERS)
    numbers, may_call = count(), asyncio.Event()
    started, before_s = time.perf_counter(), cpu_s(descendants(os.getpid()))
    may_call.set()

    async def call() -> None:
        while time.perf_counter() - started < seconds:
            await may_call.wait()
            number = next(numbers)
            body = {"order_id": f"{run}-{number}", **order(number)}
            answer = await client.post(post(url, "/order", body))
            assert answer.status == 201, answer

    async def look() -> None:
        while time.perf_counter() - started < seconds:
            waiting = await asyncio.to_thread(left)
            (may_call.set if waiting < max_pending else may_call.clear)()
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


def table(turns: Turns) -> Table:
    """Return the medians, and how many times as fast ours is."""
    shown = Table("whole pipeline", "orders/s", "CPU µs an order", "ours is", title="32 callers")
    for name, of in turns.items():
        ratio = "" if name == "ours" else f"{times(turns):.2f} times"
        shown.add_row(name, rate(of), f"{cpu_us(of):,.0f}", ratio)
    return shown


def figures(turns: Turns) -> list[Figure]:
    """Return the rows."""
    what = "orders accepted and allocated with no backlog that grows, from 32 callers, and CPU of "
    what += "one in all processes but theirs; with FastAPI and a consumer of its own"
    both = [f"{rate(turns[name])}/s, {cpu_us(turns[name]):,.0f} µs" for name in turns]
    cpu = at_most("pipeline", what, "; ".join(both), cpu_us(turns["ours"]), 600)
    compared = at_least("pipeline", COMPARED, f"{times(turns):.2f} times", times(turns), 10)
    before = "826/s, 934 µs; 157/s", "5.3 times"  # whose consumer allocated one after the other
    return [
        figure._replace(before=was, row=True)
        for figure, was in zip((cpu, compared), before, strict=True)
    ]


def times(turns: Turns) -> float:
    """Return how many times as many orders ours takes through."""
    medians = [statistics.median(t.per_s for t in turns[name]) for name in ("ours", "fastapi")]
    return medians[0] / medians[1]


def rate(turns: Sequence[Turn]) -> str:
    """Say how many orders a second these were."""
    return median_and_range([turn.per_s for turn in turns])


def cpu_us(turns: Sequence[Turn]) -> float:
    """Return what one order cost in the middle of these turns."""
    return statistics.median(turn.cpu_us for turn in turns)
