"""Runs each measurement in turn on the same servers, several rounds, and shows the ratios."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from knative_local.child import source_command
from knative_local.manifests.loader import load_manifests
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow_cli.audit.proof import pending
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import create_topics
from tests.bench import audit, auth, sizing
from tests.bench.calling import function, gateway, http_rates, process
from tests.bench.overload import overload_table
from tests.support.brokers import embedded_broker
from tests.support.server_process import embedded_postgres
from tests.support.waiting import eventually

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


def events_per_s(argv: Sequence[str], left: Callable[[], int]) -> float:
    """Run a dispatcher until nothing is left; return events/s from the first one on."""
    total = left()
    with process(argv):
        eventually(lambda: left() < total)
        seen, started = left(), time.perf_counter()
        eventually(lambda: left() == 0)
        return seen / (time.perf_counter() - started)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print the table; `gateway` only its share, the names below these instead."""
    apart = {"audit": audit.main, "auth": auth.main, "sizing": sizing.main}
    if len(arguments) == 1 and arguments[0] in apart:
        apart[arguments[0]]()
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
