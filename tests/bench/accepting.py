"""How many orders a second are accepted, by OrderFlow and by what one would write instead."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.bench.calling import ROUNDS, Rates, function, http_rates
from tests.bench.picture import draw
from tests.bench.report import Figure
from tests.bench.servers import HERE, fastapi, ours, servers

CALLERS = (1, 8, 32, 128)
COMPARED = ("empty", "fastapi", "seed")
# How many times the others' rates ours is to be, by the callers.
WANTED = {
    "fastapi": {1: 1.0, 32: 2.0, 128: 3.0},
    "seed": {32: 12.0},
    "empty": {32: 0.3},
}
SAID = {
    "fastapi": "of FastAPI, asyncpg and aiokafka",
    "seed": "of the design that OrderFlow began as: a connection, a commit and a flush a call",
    "empty": "of a function that does nothing",
}
# Before the work on speed, measured side by side as here.
BEFORE = {
    "ours": "1,901 at 32, 2,501 at 128",
    "fastapi": "0.91 at 32, 1.44 at 128",
    "seed": "6.0 at 32",
    "empty": "0.14 at 32",
}

Measured = Mapping[int, Rates]
"""The rates of each variant, by the number of callers."""


def main(console: Console) -> list[Figure]:
    """Measure, print a table, draw the picture, and return the rows."""
    rates = measure(console)
    console.print(table(rates))
    console.print(f"drawn: {draw(rates)}")
    return figures(rates)


def measure(console: Console, callers: Sequence[int] = CALLERS, rounds: int = ROUNDS) -> Measured:
    """Return what each variant accepts from so many callers, by turns."""
    with ExitStack() as running:
        running.enter_context(servers())
        urls = {
            "ours": running.enter_context(ours()),
            "empty": running.enter_context(function(HERE, "empty", "--asgi")),
            "fastapi": running.enter_context(fastapi()),
            "seed": running.enter_context(function(HERE, "seed")),
        }
        return {
            count: http_rates(console, urls, connections=count, rounds=rounds) for count in callers
        }


def times(rates: Measured, name: str, callers: int) -> float:
    """Return how many times as many orders ours accepts."""
    return rates[callers]["ours"].median / rates[callers][name].median


def table(rates: Measured) -> Table:
    """Return the medians with their ranges, and how many times as fast ours is."""
    shown = Table("callers", "ours /s", title="orders accepted, by one process each")
    for name in COMPARED:
        shown.add_column(f"{name} /s")
        shown.add_column("ours is")
    for count, measured in rates.items():
        cells = [f"{count}", measured["ours"].range()]
        for name in COMPARED:
            cells += [measured[name].range(), f"{times(rates, name, count):.2f} times"]
        shown.add_row(*cells)
    return shown


def figures(rates: Measured) -> list[Figure]:
    """Return the rows, with what is of each number of callers side by side."""
    counts = " / ".join(f"{count}" for count in rates)
    medians = " / ".join(f"{measured['ours'].median:,.0f}" for measured in rates.values())
    what = f"orders accepted a second by one process of `create_order`, from {counts} callers"
    first = Figure("accepting", what, medians, before=BEFORE["ours"], row=True)
    return [first, *(compared(rates, name) for name in SAID)]


def compared(rates: Measured, name: str) -> Figure:
    """Return the row of one of the others."""
    got = {count: times(rates, name, count) for count in rates}
    wanted = {count: least for count, least in WANTED[name].items() if count in got}
    said = " / ".join(f"{ratio:.2f}" for ratio in got.values())
    asked = ", ".join(f"{least:g} at {count}" for count, least in wanted.items())
    share = min((got[count] / least for count, least in wanted.items()), default=None)
    what = f"as many times those {SAID[name]}"
    return Figure("accepting", what, f"{said} times", asked, share, BEFORE[name], row=True)
