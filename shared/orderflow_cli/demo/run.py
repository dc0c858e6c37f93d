"""`make demo`: what a shop's busy minute does to OrderFlow, and the proof that all went right."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import uvloop
from rich.console import Console

from knative_local.http_client.client import Client
from knative_local.ports import free_port
from orderflow.database.connection import Connection, statement
from orderflow_cli.audit.proof import prove
from orderflow_cli.demo.orders import Call, Placed, calls, items, post
from orderflow_cli.demo.tables import proof_table, summary
from orderflow_cli.progress import bar, starting
from orderflow_cli.roles.grants import OPERATOR
from orderflow_cli.roles.passwords import role_url
from orderflow_cli.stack import Stack, open_stack

FIGURES = statement(__file__, "figures.sql")
SHORT_ITEMS = statement(__file__, "short_items.sql")
CONNECTIONS = 32
ANSWER_TIMEOUT_S = 30.0
SETTLED_WITHIN_S = 120.0  # far above what it takes: then the proof says what is missing
POLL_S = 0.1


def demo(console: Console) -> bool:
    """Run the demo on a stack of its own; return whether every promise held."""
    return uvloop.run(_demo(console))


async def _demo(console: Console) -> bool:
    started = time.perf_counter()
    async with AsyncExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="orderflow-demo-"))
        with starting(console) as progress:
            opening = open_stack(Path(folder), port=free_port(), progress=progress)
            stack = await running.enter_async_context(opening)
        return await _story(console, stack, ready_s=time.perf_counter() - started)


async def _story(console: Console, stack: Stack, ready_s: float) -> bool:
    database = Connection(role_url(stack.postgres, OPERATOR))
    await _stock(stack.url, "stock", items())
    await _until(console, database, "counting stock", "unapplied")
    placed = await _place(console, stack.url)
    await _until(console, database, "allocating stock", "pending")
    before = _figures(database)
    console.print(summary(placed, before, ready_s))
    first = prove(database, placed.accepted)
    console.print(proof_table("after the orders", first))
    await _stock(stack.url, "adjust", dict(database.run(SHORT_ITEMS)))
    await _until(console, database, "filling backorders", "backordered")
    filled = before["backordered"] - _figures(database)["backordered"]
    console.print(f"restocked: {filled} of {before['backordered']} backorders confirmed")
    second = prove(database, placed.accepted)
    console.print(proof_table("after the restock", second))
    return first.holds and second.holds and filled == before["backordered"]


async def _place(console: Console, url: str) -> Placed:
    placed, todo = Placed(), calls(url)

    async def draw() -> None:
        while True:
            await asyncio.sleep(POLL_S)
            advance(len(placed.latencies_ms), len(todo))

    with bar(console, "placing orders", len(todo)) as advance:
        drawing = asyncio.create_task(draw())
        started = time.perf_counter()
        await _send(url, todo, placed)
        placed.seconds = time.perf_counter() - started
        drawing.cancel()
        advance(len(placed.latencies_ms), len(todo))
    return placed


async def _stock(url: str, kind: str, units: dict[str, int]) -> None:
    bodies = [{"item": item, kind: count} for item, count in units.items()]
    await _send(url, [Call(post(url, "/inventory", body)) for body in bodies], Placed())


async def _send(url: str, todo: Sequence[Call], placed: Placed) -> None:
    client = Client(url, timeout_s=ANSWER_TIMEOUT_S, size=CONNECTIONS)
    left = iter(todo)

    async def caller() -> None:
        for call in left:
            started = time.perf_counter()
            response = await client.post(call.request)
            placed.count(call, response.status, time.perf_counter() - started)

    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    client.close()


async def _until(console: Console, database: Connection, what: str, left: str) -> None:
    deadline = time.monotonic() + SETTLED_WITHIN_S
    total = todo = _figures(database)[left]
    with bar(console, what, total) as advance:
        while todo and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            todo = (await asyncio.to_thread(_figures, database))[left]
            total = max(total, todo)
            advance(total - todo, total)


def _figures(database: Connection) -> dict[str, Any]:
    ((found,),) = database.run(FIGURES)
    figures: dict[str, Any] = orjson.loads(found)
    return figures
