"""How many orders a second are accepted, by OrderFlow and by what one would write instead."""

from collections.abc import Mapping
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.bench.calling import Rates, function, http_rates
from tests.bench.servers import HERE, fastapi, ours, servers

CONNECTIONS = (1, 32, 128)
COMPARED = ("empty", "fastapi", "seed")


def main(console: Console) -> Mapping[int, Rates]:
    """Measure, print a table, and return the rates of each variant at each number of callers."""
    with ExitStack() as running:
        running.enter_context(servers())
        urls = {
            "ours": running.enter_context(ours()),
            "empty": running.enter_context(function(HERE, "empty", "--asgi")),
            "fastapi": running.enter_context(fastapi()),
            "seed": running.enter_context(function(HERE, "seed")),
        }
        rates = {count: http_rates(console, urls, connections=count) for count in CONNECTIONS}
    console.print(table(rates))
    return rates


def table(rates: Mapping[int, Rates]) -> Table:
    """Return the medians with their ranges, and how many times as fast ours is."""
    shown = Table("callers", "ours /s", title="orders accepted, by one process each")
    for name in COMPARED:
        shown.add_column(f"{name} /s")
        shown.add_column("ours is")
    for count, measured in rates.items():
        cells = [f"{count}", measured["ours"].range()]
        for name in COMPARED:
            ratio = measured["ours"].median / measured[name].median
            cells += [measured[name].range(), f"{ratio:.2f} times"]
        shown.add_row(*cells)
    return shown
