"""Holds the simulation against what can be measured here, then asks it what can't."""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count, islice
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from orderflow.database.connection import Connection, retrying
from orderflow.models import PlaceOrder
from orderflow.server.admission import MAX_WAITING, raise_open_file_limit
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench.audit import TRACE
from tests.bench.calling import http_rates, percentile
from tests.bench.cold import start
from tests.bench.lines import STOCK_PARTS
from tests.bench.overload import TIMES, crowds
from tests.bench.report import Figure
from tests.bench.servers import STOCK, ours, servers
from tests.bench.simulate import MAX_BATCH, Costs, burst, contention
from tests.support.function_calls import module_of

LAST_ITEM = 4_999  # so many that two batches hardly meet at one
BATCH = 50  # orders, as at full load; the cost of an order is seen in full ones beside them
ROUNDS, WARM_UP = 15, 3  # of each, by turns; the median of so many
PLACED = 200 * BATCH  # of a measured point: some seconds of work
SHARES = 0.0, 0.01, 1.0  # of the orders that want the hot item
REPLICAS = 1, 2, 4, 8
CORES_EACH = 2  # of a replica and its share of PostgreSQL, where there are enough
CALM_PER_S, BURST_TIMES, BURST_S = 100, 50, 10.0
CALLERS = 128
FLUSHES = 200
FLUSH = "UPDATE stock SET counted_at = now() WHERE item = 'Part 0'"

Points = dict[str, tuple[float, float]]
"""What was measured, and what the simulation says."""

_numbers = count()


def main(console: Console) -> list[Figure]:
    """Measure costs and points; print the errors, and what is simulated beyond them."""
    raise_open_file_limit()
    with servers() as database, bar(console, "costs and points", 3) as advance:
        database.script(STOCK_PARTS.format(stock=STOCK, last=LAST_ITEM))
        deciding = deciding_costs(database)
        advance(1, 3)
        points = deciding_points(database, deciding)
        advance(2, 3)
        cold_s = start("create_order", ROOT / "functions" / "create_order").seconds
        with ours() as url:
            rates = http_rates(console, {"ours": url}, connections=CALLERS, rounds=3)
            accepting = Costs(0.0, 1 / rates["ours"].median, 0.0, 0.0)
            points |= crowd_points(url, accepting)
        advance(3, 3)
    console.print(errors(points), hot_item(deciding), from_zero(accepting, cold_s))
    off = [abs(said / found - 1) for found, said in points.values()]
    what = f"error of the simulation at {len(points)} measured points: median / most"
    return [Figure("simulate", what, f"{statistics.median(off):.0%} / {max(off):.0%}")]


def placed(connection: Connection, share: float, orders: int) -> list[str]:
    """Place so many orders, of which a share wants one item; return their ids."""
    create, ids = module_of("create_order"), list[str]()
    numbers = list(islice(_numbers, orders))
    for first in range(0, orders, MAX_BATCH):
        batch = []
        for number in numbers[first : first + MAX_BATCH]:
            is_hot = number * share % 1 >= 1 - share
            item = "Part 0" if is_hot else f"Part {1 + number % LAST_ITEM}"
            ids.append(f"simulated-{number}")
            body = PlaceOrder.model_validate({"order_id": ids[-1], "item": item, "quantity": 1})
            batch.append(create.requested(body, None, TRACE))
        create.place_orders(connection, batch)
    return ids


def decide(connection: Connection, order_ids: Sequence[str]) -> float:
    """Decide on orders as process_order does; return how many seconds it took."""
    began = time.perf_counter()
    refused = retrying(lambda: module_of("process_order").decide_orders(connection, order_ids))
    assert not any(refused), refused
    return time.perf_counter() - began


def deciding_costs(connection: Connection) -> Costs:
    """Return what a batch of process_order costs, from batches of two sizes and two kinds."""
    kinds = {"hot": (1.0, BATCH), "full": (1.0, MAX_BATCH), "spread": (0.0, BATCH)}
    took: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(WARM_UP + ROUNDS):
        for name, (share, orders) in kinds.items():
            took[name].append(decide(connection, placed(connection, share, orders)))
    hot_s, full_s, spread_s = (statistics.median(of[WARM_UP:]) for of in took.values())
    order_s = max(0.0, full_s - hot_s) / (MAX_BATCH - BATCH)
    item_s = max(0.0, spread_s - hot_s) / (BATCH - 1)
    flush_s = flush_time_s(connection)
    return Costs(max(0.0, hot_s - BATCH * order_s - item_s - flush_s), order_s, item_s, flush_s)


def flush_time_s(connection: Connection) -> float:
    """Return how much longer a commit takes that waits for the disk."""

    def median_s() -> float:
        took = []
        for _ in range(FLUSHES):
            began = time.perf_counter()
            connection.run(FLUSH)
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    flushed_s = median_s()
    connection.script("SET synchronous_commit = off")
    at_once_s = median_s()
    connection.script("SET synchronous_commit = on")
    return max(0.0, flushed_s - at_once_s)


def deciding_points(connection: Connection, costs: Costs) -> Points:
    """Return how many orders a second one and two decide on, who do nothing else."""
    points: Points = {}
    for replicas in (1, 2):
        for share in SHARES:
            said = contention(costs, replicas=replicas, hot=share, batch=BATCH, cores=2)
            ids = placed(connection, share, PLACED)
            batches = iter([ids[n : n + BATCH] for n in range(0, len(ids), BATCH)])
            name = f"orders/s decided by {replicas}, of which {share:.0%} want one item"
            points[name] = decided_per_s(replicas, batches), said.per_s
    return points


def decided_per_s(replicas: int, batches: Iterator[Sequence[str]]) -> float:
    """Let so many decide on batches, each as soon as it can, until none is left."""
    decided, started = count(), time.perf_counter()

    def work() -> None:
        with closing(Connection(os.environ["DATABASE_URL"])) as connection:
            for batch in batches:
                decide(connection, batch)
                next(decided)

    workers = [threading.Thread(target=work) for _ in range(replicas)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return next(decided) * BATCH / (time.perf_counter() - started)


def crowd_points(url: str, costs: Costs) -> Points:
    """Return what becomes of crowds that come at one instant, as `overload` measures it.

    They are read one after the other: how long that takes is when the last of those who were
    refused at once had heard of it.
    """
    tallies = uvloop.run(crowds(urlsplit(url).port or 80))
    points: Points = {}
    largest = max(TIMES)
    refused_s = [
        tally.percentile("503", 99) for tally in tallies[largest] if "503" in tally.seconds
    ]
    read_s = statistics.median(refused_s or [0.0]) / (largest * MAX_WAITING)
    for times in TIMES:
        turns = sorted(tallies[times], key=lambda tally: tally.percentile("201", 99))
        found, crowd = turns[len(turns) // 2], times * MAX_WAITING
        arrivals_s = [number * read_s for number in range(crowd)]
        said = burst(costs, arrivals_s, ready_s=[0.0], since_s=0.0)
        name = f"{crowd:,} callers at one instant"
        points[f"{name}: served"] = found.outcomes["201"], len(said.served_s)
        for percent in (50, 99):
            seconds = percentile(said.served_s, percent / 100)
            points[f"{name}: p{percent} s"] = found.percentile("201", percent), seconds
    return points


def errors(points: Points) -> Table:
    """Return each point with the simulation's error."""
    shown = Table("point", "measured", "simulated", "error", title="the simulation, where measured")
    for name, (found, said) in points.items():
        digits = ",.0f" if found >= 10 else ".2f"
        shown.add_row(name, f"{found:{digits}}", f"{said:{digits}}", f"{said / found - 1:+.0%}")
    return shown


def hot_item(costs: Costs) -> Table:
    """Return orders a second by replicas and by the share that wants one item."""
    shown = Table("want one item", *(f"{n} replicas" for n in REPLICAS), title="simulated orders/s")
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 1.0):
        cells = []
        for replicas in REPLICAS:
            found = contention(
                costs, replicas=replicas, hot=share, batch=BATCH, cores=CORES_EACH * replicas
            )
            cells.append(f"{found.per_s:,.0f}, row locked {found.locked:.0%}")
        shown.add_row(f"{share:.1%}", *cells)
    return shown


def from_zero(costs: Costs, cold_s: float) -> Table:
    """Return what becomes of a burst of so many times the usual, by how many replicas come."""
    title = f"simulated: {CALM_PER_S * BURST_TIMES:,} calls/s for {BURST_S:g} s from none running"
    shown = Table("replicas", "served", "refused", "p50 s", "p99 s", "over after s", title=title)
    calls = int(CALM_PER_S * BURST_TIMES * BURST_S)
    arrivals_s = [n / (CALM_PER_S * BURST_TIMES) for n in range(calls)]
    for replicas in REPLICAS:
        ready_s = [cold_s] + [cold_s * 2] * (replicas - 1)  # the others once the first has counted
        found = burst(costs, arrivals_s, ready_s=ready_s)
        p50, p99 = (percentile(found.served_s, share) for share in (0.5, 0.99))
        served, refused = f"{len(found.served_s):,}", f"{found.refused:,}"
        over = f"{found.over_after_s:.1f}"
        shown.add_row(f"{replicas}", served, refused, f"{p50:.2f}", f"{p99:.2f}", over)
    return shown
