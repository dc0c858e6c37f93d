"""What it costs to be observed: create_order with nothing counted, as it is, and with traces.

Rates of a busy machine say little of a percent: CPU time of the function's own processes an order
is what counts. The same twice shows how far that can be trusted.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from knative_local.ports import LOOPBACK, free_port
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench.calling import (
    CALLS,
    CONNECTIONS,
    ROUNDS,
    WARM_UP,
    answers,
    function,
    process,
    round_of_calls,
)
from tests.bench.cpu import cpu_s, descendants
from tests.bench.report import Figure, at_most
from tests.bench.servers import HERE, ours, servers
from tests.support.waiting import eventually

UNCOUNTED, COUNTED, AGAIN, TRACED = "nothing counted", "as it is", "the same again", "with traces"
# As infra/knative/base has it: of the traces that no caller has decided on, one in fifty.
SAMPLED = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.02"}
MOST = {COUNTED: 1.03, TRACED: 1.10}  # times the CPU time of the variant that it is compared with
BESIDE = {COUNTED: UNCOUNTED, AGAIN: COUNTED, TRACED: COUNTED}


class Served(NamedTuple):
    """A variant that runs."""

    url: str
    pids: frozenset[int]


def main(console: Console) -> list[Figure]:
    """Measure, print the table, and return the rows."""
    with ExitStack() as running:
        running.enter_context(servers())
        collector = running.enter_context(drain())
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, **SAMPLED}
        variants = {
            UNCOUNTED: function(HERE / "uncounted", "create_order", "--asgi"),
            COUNTED: ours(),
            AGAIN: ours(),
            TRACED: function(ROOT / "functions", "create_order", "--asgi", **traced),
        }
        served = {name: serve(running, variant) for name, variant in variants.items()}
        used_us = measure(console, served)
    shown = Table("create_order", "CPU an order, µs", "times", title="CPU time of its processes")
    for name, us in used_us.items():
        beside = BESIDE.get(name)
        ratio = f"{us / used_us[beside]:.3f} of {beside}" if beside else ""
        shown.add_row(name, f"{us:.1f}", ratio)
    console.print(shown)
    return [figure(name, used_us) for name in MOST]


def figure(name: str, used_us: Mapping[str, float]) -> Figure:
    """Return how many times as much CPU time an order costs as beside it."""
    times = used_us[name] / used_us[BESIDE[name]]
    what = f"CPU time of an order {name}, compared with {BESIDE[name]}"
    return at_most("observed", what, f"{times:.3f} times", times, MOST[name])


def serve(running: ExitStack, variant: AbstractContextManager[str]) -> Served:
    """Start a variant, and note which processes it has."""
    before = set(descendants(os.getpid()))
    url = running.enter_context(variant)
    return Served(url, frozenset(set(descendants(os.getpid())) - before))


def measure(
    console: Console, served: Mapping[str, Served], rounds: int = ROUNDS
) -> dict[str, float]:
    """Return the CPU time of an order in each variant, in µs, over rounds that took turns."""
    used_s = dict.fromkeys(served, 0.0)

    def orders(name: str, run: str, count: int) -> None:
        calls = round_of_calls(served[name].url, f"{name}-{run}", count, connections=CONNECTIONS)
        uvloop.run(calls)

    for name in served:
        orders(name, "warm", WARM_UP)
    with bar(console, "rounds", rounds * len(served)) as advance:
        for turn in range(rounds):
            for name in served:
                before_s = cpu_s(served[name].pids)
                orders(name, str(turn), CALLS)
                used_s[name] += cpu_s(served[name].pids) - before_s
            advance((turn + 1) * len(served), rounds * len(served))
    return {name: used / (rounds * CALLS) * 1e6 for name, used in used_s.items()}


@contextmanager
def drain() -> Iterator[str]:
    """Take traces in a process of its own, as a collector would, and forget them."""
    port = free_port()
    with process([sys.executable, "-m", "tests.bench.observed", str(port)]):
        url = f"http://{LOOPBACK}:{port}"
        eventually(lambda: answers(url))
        yield url


class Drain(BaseHTTPRequestHandler):
    """Answers 200 to whatever is posted."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer((LOOPBACK, int(sys.argv[1])), Drain).serve_forever()
