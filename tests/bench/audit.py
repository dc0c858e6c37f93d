"""How long an audit of a million orders takes, and whether writers are held up meanwhile."""

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from orderflow.audit.checks import ANSWER_TIMEOUT_S, CHECKS, audit
from orderflow.database.connection import Connection, retrying
from orderflow.database.migrate import migrate
from orderflow.models import PlaceOrder
from orderflow_cli.progress import Advance, bar
from tests.bench.history import fill
from tests.support.function_calls import module_of
from tests.support.server_process import embedded_postgres

ORDERS = 1_000_000
ROUNDS = 3  # each an audit, and as long without one
WRITERS = 2
WRITES_PER_S = 20  # of each writer: a shop at work, far from what the machine can do
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class Write(NamedTuple):
    """An order placed and decided: when it began and how long it took, in seconds."""

    began: float
    seconds: float


def main(console: Console, orders: int = ORDERS) -> None:
    """Make the orders, audit while others write, and print the figures."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as url:
        migrate(url)
        with closing(Connection(url, answer_timeout_s=600)) as connection:
            fill(console, connection, orders)
        with closing(Connection(url, answer_timeout_s=ANSWER_TIMEOUT_S)) as connection:
            size = size_of(connection)
            seconds, quiet, meanwhile = measure(console, connection, url)
    console.print(table(size, seconds, quiet, meanwhile))


def measure(
    console: Console, connection: Connection, url: str
) -> tuple[list[float], list[Write], list[Write]]:
    """Return the seconds of each audit, and the writes without and with one beside them."""
    seconds: list[float] = []
    quiet: list[Write] = []
    meanwhile: list[Write] = []
    with writing(url) as writes, bar(console, "auditing", ROUNDS * len(CHECKS)) as advance:
        for turn in range(ROUNDS):
            began = time.perf_counter()
            done = audit(connection, partial(forward, advance, turn * len(CHECKS)))
            assert done.holds, done
            ended = time.perf_counter()
            time.sleep(done.seconds)
            seconds.append(done.seconds)
            meanwhile += [write for write in writes if began <= write.began < ended]
            quiet += [write for write in writes if write.began >= ended]
    return seconds, quiet, meanwhile


def forward(advance: Advance, before: int, done: int, _: int) -> None:
    """Move the bar of all rounds by what one has done."""
    advance(before + done, ROUNDS * len(CHECKS))


@contextmanager
def writing(url: str) -> Iterator[list[Write]]:
    """Let writers work during the block; yield what they note."""
    writes: list[Write] = []
    done = threading.Event()
    writers = [
        threading.Thread(target=write_until, args=(done, url, number, writes))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    try:
        yield writes
    finally:
        done.set()
        for writer in writers:
            writer.join()


def write_until(done: threading.Event, url: str, writer: int, writes: list[Write]) -> None:
    """Place and decide orders at an even pace, however long each takes."""
    with closing(Connection(url)) as connection:
        number, due = 0, time.perf_counter()
        while not done.wait(max(0.0, due - time.perf_counter())):
            began = time.perf_counter()
            place_and_decide(connection, f"{writer}-{number}", f"item {number % 1000}")
            writes.append(Write(began, time.perf_counter() - began))
            number, due = number + 1, max(due + 1 / WRITES_PER_S, began)


def place_and_decide(connection: Connection, order_id: str, item: str) -> None:
    """Do what create_order and process_order do to the database."""
    create, decide_orders = module_of("create_order"), module_of("process_order").decide_orders
    body = PlaceOrder.model_validate({"order_id": order_id, "item": item, "quantity": 1})
    create.place_orders(connection, [create.requested(body, None, TRACE)])
    retrying(lambda: decide_orders(connection, [order_id]))


def size_of(connection: Connection) -> dict[str, int]:
    """Return what the audit has to look at, in rows, and the whole in megabytes."""
    names = "orders", "order_lines", "order_history", "stock_ledger", "stock", "backorders"
    rows = {name: int(connection.run(f"SELECT count(*) FROM {name}")[0][0]) for name in names}
    ((size,),) = connection.run("SELECT pg_database_size(current_database()) / 1000000")
    return {**rows, "megabytes": int(size)}


def table(
    size: dict[str, int],
    seconds: Sequence[float],
    quiet: Sequence[Write],
    meanwhile: Sequence[Write],
) -> Table:
    """Return the figures."""
    shown = Table("what", "figure", title="an audit beside writers")
    shown.columns[1].justify = "right"
    for name, count in size.items():
        shown.add_row(name.replace("_", " "), f"{count:,}")
    shown.add_row(
        "s an audit, median and longest", f"{statistics.median(seconds):.1f} / {max(seconds):.1f}"
    )
    before, during = percentiles(quiet), percentiles(meanwhile)
    shown.add_row(f"ms a write without it, p50 / p99 of {len(quiet):,}", told(before))
    shown.add_row(f"ms a write meanwhile, p50 / p99 of {len(meanwhile):,}", told(during))
    ratios = [d / b for d, b in zip(during, before, strict=True)]
    shown.add_row("ratio", " / ".join(f"{ratio:.2f}" for ratio in ratios))
    return shown


def percentiles(writes: Sequence[Write]) -> tuple[float, float]:
    """Return the 50th and the 99th, in milliseconds."""
    ordered = sorted(write.seconds * 1000 for write in writes)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]


def told(pair: tuple[float, float]) -> str:
    """Return both figures in one cell."""
    return f"{pair[0]:.1f} / {pair[1]:.1f}"
