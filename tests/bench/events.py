"""How many events a second `process_order` decides on, and an empty function takes."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.child import source_command
from knative_local.manifests.loader import load_manifests
from orderflow_cli.audit.proof import pending
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from tests.bench.calling import function, process, round_of_calls
from tests.bench.servers import HERE, ours, servers
from tests.support.waiting import eventually

ORDERS = 20_000
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


def main(console: Console) -> None:
    """Place orders, then deliver them all to a function that only counts, and to process_order."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        database = running.enter_context(servers())
        with ours() as url:
            uvloop.run(round_of_calls(url, "events", ORDERS))
        empty = running.enter_context(function(HERE, "empty", "--asgi"))
        process_order = function(ROOT / "functions", "process_order", "--asgi")
        resolve = running.enter_context(process_order)
        manifest = folder / "counting.yaml"
        manifest.write_text(COUNTING_SOURCE % (os.environ["KAFKA_BOOTSTRAP_SERVERS"], empty))
        rates = {
            "an empty function": events_per_s(
                command([manifest], "counting", empty),
                lambda: max(ORDERS - int(httpx.get(empty).text), 0),
            ),
            "process_order": events_per_s(
                command([ROOT / MANIFESTS], "orders", resolve), lambda: pending(database)
            ),
        }
    table = Table("events delivered to", "per second", "ratio")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / rates['an empty function']:.2f}")
    console.print(table)


def command(manifests: Sequence[Path], source: str, url: str) -> list[str]:
    """Return the command that runs a source of the manifests, with every Service at `url`."""
    loaded = load_manifests(manifests)
    (found,) = [each for each in loaded.kafka_sources if each.name == source]
    resolve = {service.name: url for service in loaded.services}
    return source_command(manifests, found, os.environ["KAFKA_BOOTSTRAP_SERVERS"], resolve)


def events_per_s(argv: Sequence[str], left: Callable[[], int]) -> float:
    """Run a dispatcher until nothing is left; return events/s from the first one on."""
    total = left()
    with process(argv):
        eventually(lambda: left() < total)
        seen, started = left(), time.perf_counter()
        eventually(lambda: left() == 0)
        return seen / (time.perf_counter() - started)
