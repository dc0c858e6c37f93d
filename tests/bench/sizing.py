"""What an order costs: CPU in each process that has a part in it, and bytes on disk."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.http_client.client import Client
from orderflow.database.connection import Connection, statement
from orderflow_cli.audit.proof import pending
from orderflow_cli.demo.orders import post
from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench.calling import CONNECTIONS, WITHIN_S
from tests.bench.cpu import cpu_s, descendants
from tests.support.shop import Shop, open_shop
from tests.support.waiting import eventually

ORDERS = 20_000  # half a minute of work
ITEMS = [f"Item {number:03}" for number in range(200)]  # so that hardly two orders of a batch meet
ENOUGH = 10_000_000  # units of each: every order is confirmed
SIZES = statement(__file__, "sizing.sql")


def main(console: Console) -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        with open_shop(data, options=["--project", str(ROOT)]) as shop:
            console.print(table(costs(shop)))


def costs(shop: Shop) -> dict[str, float]:
    """Return microseconds by process and bytes by kind, of an order of one line."""
    send(shop, "/inventory", ({"item": item, "stock": ENOUGH} for item in ITEMS))
    eventually(lambda: shop.shelf(ITEMS[-1])["on_hand"] == ENOUGH, within_s=WITHIN_S)
    before = figures(shop)
    bodies = ({"item": ITEMS[n % len(ITEMS)], "quantity": 1} for n in range(ORDERS))
    send(shop, "/order", bodies)
    with closing(Connection(shop.servers[0])) as connection:
        eventually(lambda: pending(connection) == 0, within_s=WITHIN_S)
        connection.script("VACUUM")
    after = figures(shop)
    return {name: (after[name] - before.get(name, 0)) / ORDERS for name in after}


def send(shop: Shop, path: str, bodies: Iterator[Mapping[str, object]]) -> None:
    """Make the calls, a few at once."""

    async def caller(client: Client) -> None:
        for body in bodies:
            answer = await client.post(post(shop.url, path, body))
            assert answer.status < 300, answer.status

    async def callers() -> None:
        client = Client(shop.url, timeout_s=WITHIN_S, size=CONNECTIONS)
        await asyncio.gather(*(caller(client) for _ in range(CONNECTIONS)))
        client.close()

    uvloop.run(callers())


def figures(shop: Shop) -> dict[str, float]:
    """Return what was used since the start: microseconds by process, bytes by kind."""
    time.sleep(1)  # what is under way comes to its end
    with closing(Connection(shop.servers[0])) as connection:
        sizes = connection.value(SIZES)
    pids = {component["name"]: component["pid"] for component in shop.components()}
    used = {
        f"CPU of {name}, µs": cpu_s([pid, *descendants(pid)]) * 1e6
        for name, pid in pids.items()
        if pid
    }
    return used | {f"bytes of {kind}": float(size) for kind, size in sizes.items()}


def table(found: Mapping[str, float]) -> Table:
    """Return what matters, the largest first."""
    shown = Table("of each order", "", title=f"{ORDERS:,} orders of one line, all confirmed")
    for name, cost in sorted(found.items(), key=lambda entry: -entry[1]):
        if round(cost) > 5:
            shown.add_row(name, f"{cost:,.0f}")
    return shown
