"""What millions of orders cost: lists, page by page, and accepting beside a small database."""

import base64
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.http_client.client import Client
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import create_topics
from tests.bench.calling import Rates, function, http_rates, percentile
from tests.bench.history import fill
from tests.bench.report import Figure, at_least, at_most
from tests.support.brokers import empty_broker
from tests.support.server_process import embedded_postgres

ORDERS = 5_000_000
FEW = 10_000
FOLDER = ROOT / ".data" / "bench-scale"  # kept, so that another run fills nothing
LIMIT = 50  # orders a page, as where nothing is asked for
FAR = 10_000  # pages
NEAR = 10  # pages around it are asked for, too: as warm as the first, and not one alone
CALLS = 200  # of each kind, in a random order
WARM_UP = 20
SHARE_OF_FEW, P99_MS, TIMES_PAGE_1 = 0.85, 20.0, 1.2  # what is wanted
FILL_TIMEOUT_S = 1_200.0  # the sums over all of it at the end
# What was accepted while measuring goes again, so that the next run finds what this one found.
FORGET = """
SET statement_timeout = 0;
DELETE FROM outbox;
DELETE FROM order_history WHERE position > {orders};
DELETE FROM order_lines WHERE position > {orders};
DELETE FROM orders WHERE position > {orders};
"""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = "SELECT pg_database_size(current_database())"

Query = Callable[[random.Random], dict[str, str]]
"""Makes the parameters of a call: of a page near the one that is meant, so that it is not one page
that is asked for again and again."""


def main(console: Console, orders: int = ORDERS, folder: Path = FOLDER) -> list[Figure]:
    """Fill what is missing, measure, print the tables, and return the rows."""
    os.environ |= WITHOUT_TOKENS
    with ExitStack() as running:
        os.environ["KAFKA_BOOTSTRAP_SERVERS"] = kafka = running.enter_context(empty_broker())
        create_topics(kafka)
        small = Path(running.enter_context(tempfile.TemporaryDirectory()))
        few = running.enter_context(filled(console, small, FEW))
        many = running.enter_context(filled(console, folder, orders))
        with closing(Connection(many)) as database:
            ((size,),) = database.run(SIZE)
        with function(ROOT / "functions", "list_orders", "--asgi", DATABASE_URL=many) as url:
            took = uvloop.run(lists(console, url, queries(orders)))
        rates = accepting(console, {f"{FEW:,}": few, f"{orders:,}": many})
    console.print(table(took, orders))
    return figures(took, rates, orders, int(size) / orders)


@contextmanager
def filled(console: Console, folder: Path, orders: int) -> Iterator[str]:
    """Serve a database of so many orders during the block; yield its URL."""
    with embedded_postgres(folder) as url:
        migrate(url)
        with closing(Connection(url, answer_timeout_s=FILL_TIMEOUT_S)) as connection:
            connection.script(FORGET.format(orders=orders))
            fill(console, connection, orders)
            try:
                yield url
            finally:
                connection.script(FORGET.format(orders=orders))


def queries(orders: int) -> Mapping[str, Query]:
    """Return the kinds of pages; each filter's first, and one that is far from it."""

    def far(share: float, **filters: str) -> Query:
        depth = min(FAR * LIMIT / share, orders / 2)  # so many orders have such a share that match

        def query(chance: random.Random) -> dict[str, str]:
            position = orders - int(depth + chance.randint(-NEAR, NEAR) * LIMIT / share)
            cursor = base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")
            return {**filters, "after": cursor}

        return query

    def first(**filters: str) -> Query:
        return lambda _: filters

    shipped, item = {"status": "shipped"}, {"item": "item 0"}
    return {
        "all": first(),
        "all, far": far(1.0),
        "a status": first(**shipped),
        "a status, far": far(0.61, **shipped),
        "an item": first(**item),
        "an item, far": far(0.2, **item),
        "a common status of it": first(**item, **shipped),
        "a common status of it, far": far(0.15, **item, **shipped),
        "a rare status of it": first(**item, status="rejected"),
        "an item that few want": lambda chance: {"item": f"item {chance.randrange(1, 999)}"},
        "until a time": lambda chance: {"placed_before": time_of(chance.randrange(orders))},
        "what needs a person": first(attention="true"),
    }


def time_of(position: int) -> str:
    """Return when such an order was placed, as make_orders.sql has it."""
    return (BEGAN + timedelta(seconds=position)).isoformat().replace("+00:00", "Z")


async def lists(
    console: Console, url: str, kinds: Mapping[str, Query], calls: int = CALLS
) -> dict[str, list[float]]:
    """Ask for pages of all kinds in a random order; return the milliseconds of each, in order."""
    chance = random.Random(7)
    order = [name for name in kinds for _ in range(calls)]
    chance.shuffle(order)
    took_ms: dict[str, list[float]] = {name: [] for name in kinds}
    client = Client(url, timeout_s=30.0, size=1)
    with bar(console, "pages of orders", len(order)) as advance:
        for done, name in enumerate([*kinds] * WARM_UP + order, -WARM_UP * len(kinds)):
            path = f"/orders?{urlencode(kinds[name](chance))}"
            request = f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()
            began = time.perf_counter()
            answer = await client.post(request)
            if done >= 0:
                took_ms[name].append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, answer
            assert answer.body.startswith(b'[{"order_id":"order '), (path, answer)
            advance(max(done, 0), len(order))
    client.close()
    return {name: sorted(took) for name, took in took_ms.items()}


def accepting(console: Console, databases: Mapping[str, str]) -> Rates:
    """Return how many orders a second are accepted beside so many others, by turns."""
    stamp = time.time_ns()  # so that no order is one of the run before, should that have been cut
    with ExitStack() as running:
        create_order = partial(function, ROOT / "functions", "create_order", "--asgi")
        urls = {
            f"{count} {stamp}": running.enter_context(create_order(DATABASE_URL=url))
            for count, url in databases.items()
        }
        rates = http_rates(console, urls)
    return dict(zip(databases, rates.values(), strict=True))


def table(took: Mapping[str, Sequence[float]], orders: int) -> Table:
    """Return what a page of each kind takes."""
    shown = Table("GET /orders", "p50 ms", "p99 ms", title=f"pages of {LIMIT} of {orders:,} orders")
    for name, ms in took.items():
        shown.add_row(name, f"{percentile(ms, 0.5):.1f}", f"{percentile(ms, 0.99):.1f}")
    return shown


def figures(
    took: Mapping[str, Sequence[float]], rates: Rates, orders: int, size_bytes: float
) -> list[Figure]:
    """Return the rows."""
    p50 = {name: percentile(ms, 0.5) for name, ms in took.items()}
    p99 = {name: percentile(ms, 0.99) for name, ms in took.items()}
    far = {name: p50[name] / p50[name.removesuffix(", far")] for name in p50 if name[-3:] == "far"}
    farthest = max(far.values())
    rare = p50["a rare status of it"] / p50["a common status of it"]
    slowest = max(p99.values())
    few, many = (rate.median for rate in rates.values())
    at = f"at {orders:,} orders"
    said = f"{far['all, far']:.2f} times; {farthest:.2f} times"
    beside = f"{rates[f'{orders:,}'].range()}/s; {many / few:.2f} times"
    return [
        at_most("scale", f"`GET /orders`, p50 {at}: page 10,000 beside page 1; the same with "
                "filters, the most", said, farthest, TIMES_PAGE_1),
        at_most("scale", "a rare status within a common item beside a common one",
                f"{rare:.2f} times", rare, 1.0),
        at_most("scale", "p99 of any of these pages", f"{slowest:.1f} ms", slowest, P99_MS),
        at_least("scale", f"orders accepted {at}; beside that at {FEW:,}", beside, many / few,
                 SHARE_OF_FEW),
        Figure("scale", "disk of an order with what belongs to it", f"{size_bytes:,.0f} bytes"),
    ]  # fmt: skip
