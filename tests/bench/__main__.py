"""Runs each measurement in turn on the same servers, several rounds, and shows the ratios."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.child import gateway_command, source_command
from knative_local.http_client.client import Client
from knative_local.manifests.loader import load_manifests
from knative_local.ports import free_port
from knative_local.supervisor.spec import program
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow_cli.audit.proof import pending
from orderflow_cli.demo.orders import post
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import create_topics
from tests.bench import audit
from tests.bench.overload import overload_table
from tests.support.brokers import embedded_broker
from tests.support.server_process import embedded_postgres
from tests.support.waiting import eventually

ROUNDS = 5  # the median of so many: a noisy machine spoils one or two
CALLS = 2_000  # a round: seconds of work, and no more, so that all get the same weather
NAIVE_CALLS = 500  # about as many seconds
CONNECTIONS = 32
WARM_UP = 100
WITHIN_S = 60.0  # for anything to start, or to get through all events
HERE = Path(__file__).parent
COUNTING_SOURCE = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {name: counting}
spec:
  bootstrapServers: ["%s"]
  topics: [orders]
  consumerGroup: bench-counting
  initialOffset: earliest
  ordering: unordered
  sink: {uri: "%s"}
"""


@contextmanager
def process(argv: Sequence[str], **environment: str) -> Iterator[None]:
    """Run a command during the block."""
    env = {**os.environ, **environment}
    running = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(WITHIN_S)


@contextmanager
def function(folder: Path, name: str, *flags: str) -> Iterator[str]:
    """Serve a function as functions-framework does; yield its URL."""
    port = free_port()
    argv = [program("functions-framework"), *flags, "--target", name]
    argv += ["--source", str(folder / name / "main.py")]
    # Four processes of one thread serve the plain function best: threads that share a producer
    # only wait for each other's flush.
    plain = {} if "--asgi" in flags else {"WORKERS": "4", "THREADS": "1"}
    with process(argv, HOST="127.0.0.1", PORT=str(port), LOG_LEVEL="warning", **plain):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url


@contextmanager
def gateway(to: str) -> Iterator[str]:
    """Serve the routes with every function at `to`; yield the gateway's URL."""
    port = free_port()
    services = load_manifests([ROOT / MANIFESTS]).services
    resolve = {service.name: to for service in services}
    with process(gateway_command([ROOT / MANIFESTS], resolve, host="127.0.0.1", port=port)):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url


def answers(url: str) -> bool:
    """Whether anything answers there."""
    try:
        httpx.get(f"{url}/healthz")
    except httpx.TransportError:
        return False
    return True


async def calls_per_s(url: str, run: str, count: int) -> float:
    """Place orders over HTTP and return how many calls a second were answered."""
    client = Client(url, timeout_s=30.0, size=CONNECTIONS)
    bodies = (
        {"order_id": f"{run}-{number}", "item": f"Item {number % 50}", "quantity": 1}
        for number in range(count)
    )
    requests = iter([post(url, "/order", body) for body in bodies])

    async def caller() -> None:
        for request in requests:
            answer = await client.post(request)
            assert answer.status < 300, answer

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    client.close()
    return count / (time.perf_counter() - started)


def http_rates(console: Console, urls: Mapping[str, str]) -> dict[str, float]:
    """Return the median calls/s of each, taking turns."""
    rates: dict[str, list[float]] = {name: [] for name in urls}
    for name, url in urls.items():
        uvloop.run(calls_per_s(url, f"{name}-warm", WARM_UP))
    with bar(console, "HTTP rounds", ROUNDS * len(urls)) as advance:
        for turn in range(ROUNDS):
            for name, url in urls.items():
                count = NAIVE_CALLS if name == "naive" else CALLS
                rates[name].append(uvloop.run(calls_per_s(url, f"{name}-{turn}", count)))
                advance(sum(map(len, rates.values())), ROUNDS * len(urls))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def events_per_s(argv: Sequence[str], left: Callable[[], int]) -> float:
    """Run a dispatcher until nothing is left; return events/s from the first one on."""
    total = left()
    with process(argv):
        eventually(lambda: left() < total)
        seen, started = left(), time.perf_counter()
        eventually(lambda: left() == 0)
        return seen / (time.perf_counter() - started)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the table; `gateway` only its share, `audit` the audit instead."""
    if arguments == ["audit"]:
        audit.main()
        return
    only_gateway = arguments == ["gateway"]
    console = Console()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        database_url = running.enter_context(embedded_postgres(folder))
        servers = running.enter_context(embedded_broker())
        os.environ |= {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": servers}
        os.environ |= WITHOUT_TOKENS
        migrate(database_url)
        create_topics(servers)
        database = Connection(database_url)
        database.script("CREATE TABLE naive_orders (order_id text, item text, quantity integer)")
        nothing = running.enter_context(function(HERE, "nothing", "--asgi"))
        create_order = running.enter_context(function(ROOT / "functions", "create_order", "--asgi"))
        urls = {
            "nothing": nothing,
            "create_order": create_order,
            "nothing, through the gateway": running.enter_context(gateway(nothing)),
            "create_order, through the gateway": running.enter_context(gateway(create_order)),
        }
        if not only_gateway:
            urls["naive"] = running.enter_context(function(HERE, "naive"))
        rates = http_rates(console, urls)
        if not only_gateway:
            rates |= event_rates(running, folder, database, nothing)
        console.print(table(rates))
        if not only_gateway:
            console.print(overload_table(create_order))


def event_rates(
    running: ExitStack, folder: Path, database: Connection, nothing: str
) -> dict[str, float]:
    """Deliver all orders placed so far to a function that only counts, and to process_order."""
    placed = pending(database)
    before = int(httpx.get(nothing).text)
    manifest = folder / "counting.yaml"
    manifest.write_text(COUNTING_SOURCE % (os.environ["KAFKA_BOOTSTRAP_SERVERS"], nothing))
    (counting,) = load_manifests([manifest]).kafka_sources
    orders = next(s for s in load_manifests([ROOT / MANIFESTS]).kafka_sources if s.name == "orders")
    process_order = running.enter_context(function(ROOT / "functions", "process_order", "--asgi"))
    resolve = {
        service.name: process_order for service in load_manifests([ROOT / MANIFESTS]).services
    }
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    return {
        "events to nothing": events_per_s(
            source_command([manifest], counting, servers, {}),
            lambda: max(placed + before - int(httpx.get(nothing).text), 0),
        ),
        "events to process_order": events_per_s(
            source_command([ROOT / MANIFESTS], orders, servers, resolve), lambda: pending(database)
        ),
    }


def table(rates: Mapping[str, float]) -> Table:
    """Return the rates and what each is compared with."""
    shown = Table("what", "per second", "ratio", "to", title="medians of rounds that took turns")
    compared = {
        "create_order": "naive",
        "nothing, through the gateway": "nothing",
        "create_order, through the gateway": "create_order",
        "events to process_order": "events to nothing",
    }
    for name, rate in rates.items():
        to = compared[name] if compared.get(name) in rates else ""
        ratio = f"{rate / rates[to]:.2f}" if to else ""
        shown.add_row(name, f"{rate:,.0f}", ratio, to)
    return shown


if __name__ == "__main__":
    main(sys.argv[1:])
