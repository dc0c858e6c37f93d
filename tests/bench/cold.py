"""How long each function takes from its start to its first answer, and what it holds when idle."""

import http.client
import os
import statistics
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.spec import program
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench.calling import WITHIN_S
from tests.bench.cpu import descendants
from tests.bench.report import Figure, at_most
from tests.bench.servers import HERE, servers
from tests.support.function_calls import ce_headers

ROUNDS = 3  # of each, one after the other; the median of so many
LOOK_EVERY_S = 0.005
IDLE_AFTER_S = 0.5  # what it still does after its first answer is over by then
COLD, IDLE = 1.6, 1.5  # times the empty function's: what is wanted


# As in an image: compiled, there before the start; and what an image sets.
IN_AN_IMAGE = {
    "PYTHONPATH": str(HERE / "as_in_an_image"),
    "PYTHONDONTWRITEBYTECODE": "",  # which may be set around here
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}


class Call(NamedTuple):
    """A first call, and what it is answered with."""

    method: str
    path: str
    status: int
    body: object = None
    of_type: str = ""

    def headers(self) -> dict[str, str]:
        """Return those of an event, or of a plain call."""
        if self.of_type:
            return ce_headers(self.of_type)
        return {"content-type": "application/json"} if self.body is not None else {}


# Each goes to the database, but those of the documentation. Any other function is asked whether it
# is ready, which it is once it has reached the database.
FIRST_CALLS = {
    "empty": Call("POST", "/", 201, {}),
    "api_docs": Call("GET", "/openapi.json", 200),
    "apply_inventory": Call("POST", "/", 204, {"item": "x"}, "orderflow.inventory.changed.v1"),
    "create_order": Call("POST", "/order", 201, {"item": "Item 0", "quantity": 1}),
    "keep_dead_letter": Call("POST", "/", 204, {}, "anything"),
    "list_inventory": Call("GET", "/inventory", 200),
    "list_orders": Call("GET", "/orders", 200),
    "process_order": Call("POST", "/", 422, {"order_id": "none"}, "orderflow.order.placed.v1"),
    "redrive": Call("GET", "/dead-letters", 200),
    "sweep": Call("POST", "/", 204, {}, "dev.knative.sources.ping"),
    "update_inventory": Call("POST", "/inventory", 202, {"item": "x", "stock": 1}),
    "update_order": Call("PATCH", "/order/none", 404, {"status": "cancelled"}),
}
READY = Call("GET", "/readyz", 200)


class Start(NamedTuple):
    """One start: seconds to the first answer, and megabytes of all its processes when idle."""

    seconds: float
    megabytes: float


Starts = Mapping[str, list[Start]]


def main(console: Console) -> list[Figure]:
    """Measure, print a table, and return the rows."""
    starts = measure(console)
    console.print(table(starts))
    return figures(starts)


def measure(console: Console, rounds: int = ROUNDS) -> Starts:
    """Start each function in turn, the empty one among them."""
    folders = {path.parent.name: path.parent for path in ROOT.glob("functions/*/main.py")}
    folders = {"empty": HERE / "empty"} | dict(sorted(folders.items()))
    starts: dict[str, list[Start]] = {name: [] for name in folders}
    with servers(), bar(console, "cold starts", rounds * len(folders)) as advance:
        for name, folder in folders.items():
            start(name, folder)  # its files are read from the disk, and compiled
        for _ in range(rounds):
            for name, folder in folders.items():
                starts[name].append(start(name, folder))
                advance(sum(map(len, starts.values())), rounds * len(folders))
    return starts


def start(name: str, folder: Path) -> Start:
    """Start a function as its image does, and stop it."""
    port = free_port()
    argv = [program("functions-framework"), "--asgi", "--target", name]
    argv += ["--source", str(folder / "main.py")]
    told = {"HOST": LOOPBACK, "PORT": str(port), "LOG_LEVEL": "warning", **IN_AN_IMAGE}
    began = time.perf_counter()
    running = subprocess.Popen(argv, env=os.environ | told, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        first_answer(FIRST_CALLS.get(name, READY), port, began)
        took_s = time.perf_counter() - began
        time.sleep(IDLE_AFTER_S)
        return Start(took_s, sum(map(pss_mb, [running.pid, *descendants(running.pid)])))
    finally:
        running.terminate()
        running.wait(WITHIN_S)


def first_answer(call: Call, port: int, began: float) -> None:
    """Make the call again and again until it is answered as it should be."""
    body = None if call.body is None else orjson.dumps(call.body)
    status = 0
    while status != call.status:
        assert time.perf_counter() - began < WITHIN_S, (call, status)
        with suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=WITHIN_S)
            connection.request(call.method, call.path, body, call.headers())
            status = connection.getresponse().status
            connection.close()
        if status != call.status:
            time.sleep(LOOK_EVERY_S)


def pss_mb(pid: int) -> float:
    """Return a process's share of the memory: what it has alone, and its part of what is shared."""
    with suppress(OSError):  # it has ended meanwhile
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


def medians(starts: Starts) -> dict[str, Start]:
    """Return the middle of each function's."""
    return {
        name: Start(
            statistics.median(one.seconds for one in of),
            statistics.median(one.megabytes for one in of),
        )
        for name, of in starts.items()
    }


def table(starts: Starts) -> Table:
    """Return each function's, and how many times the empty one's that is."""
    shown = Table("function", "s to first answer", "times", "MB idle", "times", title="cold starts")
    found = medians(starts)
    empty = found["empty"]
    for name, (seconds, megabytes) in found.items():
        times = f"{seconds / empty.seconds:.2f}", f"{megabytes / empty.megabytes:.2f}"
        shown.add_row(name, f"{seconds:.2f}", times[0], f"{megabytes:.0f}", times[1])
    return shown


def figures(starts: Starts) -> list[Figure]:
    """Return the rows: of the function that is furthest from the empty one."""
    found = medians(starts)
    empty = found.pop("empty")
    slowest = max(found, key=lambda name: found[name].seconds)
    largest = max(found, key=lambda name: found[name].megabytes)
    seconds, megabytes = found[slowest].seconds, found[largest].megabytes
    cold, idle = seconds / empty.seconds, megabytes / empty.megabytes
    what = "s from the start of the slowest function to its first answer; of an empty one; compared"
    held = "memory of the largest idle function, both processes (PSS); of an empty one; compared"
    took = f"{seconds:.2f} s (`{slowest}`); {empty.seconds:.2f} s; {cold:.2f} times"
    holds = f"{megabytes:.0f} MB (`{largest}`); {empty.megabytes:.0f} MB; {idle:.2f} times"
    return [at_most("cold", what, took, cold, COLD), at_most("cold", held, holds, idle, IDLE)]
