"""Orders of 100 lines: how many lines a second, beside `pgbench`, which only inserts such rows."""

import os
import re
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from shutil import which
from urllib.parse import unquote, urlsplit

import uvloop
from rich.console import Console

from orderflow_cli.audit.proof import pending
from orderflow_cli.postgres.server import program
from orderflow_cli.progress import bar
from tests.bench.calling import median_and_range
from tests.bench.pipeline import WARM_UP_S, turn
from tests.bench.report import Figure, at_least
from tests.bench.servers import STOCK, allocation, ours, servers

LINES = 100  # of an order, the most that it may have
ITEMS = 200
MAX_PENDING = 50  # orders, of as many lines as 5,000 of one line have
TURNS = 3  # of each, one after the other; the median of so many
SECONDS = 15.0  # a turn
CLIENTS = 8  # of pgbench; more only wait for each other on two cores
WANTED = 0.25  # of what pgbench reaches
SCRIPT = Path(__file__).with_name("insert_lines.pgbench.sql")
STOCK_PARTS = """
INSERT INTO stock (item, on_hand)
SELECT 'Part ' || number, {stock} FROM generate_series(0, {last}) AS number
"""


def hundred_lines(number: int) -> dict[str, object]:
    """Want a hundred items, beginning with another each time."""
    first = number * 37  # so that orders that arrive together overlap by half
    lines = [{"item": f"Part {(first + n) % ITEMS}", "quantity": 1} for n in range(LINES)]
    return {"lines": lines}


def main(console: Console) -> list[Figure]:
    """Measure, and return the row; none where there is no pgbench."""
    pgbench = pgbench_program()
    if pgbench is None:
        console.print("lines: left out, as there is no pgbench")
        return []
    inserted, taken = measure(console, pgbench)
    share = statistics.median(taken) / statistics.median(inserted)
    result = f"{median_and_range(taken)}/s; {median_and_range(inserted)}/s; {share:.2f} times"
    what = f"lines accepted and allocated, {LINES} an order; inserted by `pgbench`; compared"
    return [at_least("lines", what, result, share, WANTED)]


def pgbench_program() -> str | None:
    """Return the path of PostgreSQL's own load generator: the wheel's, or the system's."""
    own = program("pgbench")
    return own if Path(own).exists() else which("pgbench")


def measure(
    console: Console, pgbench: str, rounds: int = TURNS, seconds: float = SECONDS
) -> tuple[list[float], list[float]]:
    """Return the lines a second of each turn of pgbench, and of ours."""
    inserted: list[float] = []
    taken: list[float] = []
    with ExitStack() as running:
        database = running.enter_context(servers())
        database.script(STOCK_PARTS.format(stock=STOCK, last=ITEMS - 1))
        url = running.enter_context(ours())
        running.enter_context(allocation())
        take = partial(turn, url, order=hundred_lines, max_pending=MAX_PENDING)
        uvloop.run(take("warm", partial(pending, database), WARM_UP_S))
        inserted_per_s(pgbench, WARM_UP_S)
        with bar(console, "orders of 100 lines", 2 * rounds) as advance:
            for number in range(rounds):
                done = uvloop.run(take(f"lines-{number}", partial(pending, database), seconds))
                taken.append(done.per_s * LINES)
                inserted.append(inserted_per_s(pgbench, seconds))
                advance(2 * number + 2, 2 * rounds)
    return inserted, taken


def inserted_per_s(pgbench: str, seconds: float) -> float:
    """Let pgbench insert the rows of orders for so long; return the lines a second."""
    where = urlsplit(os.environ["DATABASE_URL"])
    folder = unquote(where.netloc.rpartition("@")[2])
    command: Sequence[str] = [
        pgbench, "--no-vacuum", "--protocol=prepared", f"--file={SCRIPT}", f"--client={CLIENTS}",
        "--jobs=2", f"--time={seconds:.0f}", f"--host={folder}", f"--username={where.username}",
        where.path[1:],
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    assert re.search(r"number of failed transactions: 0 ", done.stdout), done.stdout
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return float(found[1]) * LINES
