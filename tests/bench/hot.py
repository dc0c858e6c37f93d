"""How much slower it is where everyone wants the same item, whose row is one lock."""

import statistics
from contextlib import ExitStack
from functools import partial

import uvloop
from rich.console import Console

from orderflow_cli.audit.proof import pending
from orderflow_cli.progress import bar
from tests.bench.pipeline import WARM_UP_S, Order, Turn, one_of_many, rate, turn
from tests.bench.report import Figure, at_least
from tests.bench.servers import allocation, ours, servers

TURNS = 4  # of each, one after the other; the median of so many
SECONDS = 10.0  # a turn
WANTED = 0.7  # of what orders spread over many items reach


def the_same(number: int) -> dict[str, object]:
    """Want what all want; `number` only tells the orders apart."""
    return {"item": "Item 0", "quantity": 1}


KINDS: dict[str, Order] = {"spread": one_of_many, "hot": the_same}


def main(console: Console) -> list[Figure]:
    """Measure, and return the row."""
    turns = measure(console)
    spread, hot = (statistics.median(t.per_s for t in turns[kind]) for kind in KINDS)
    result = f"{rate(turns['hot'])}/s; {rate(turns['spread'])}/s; {hot / spread:.2f} times"
    what = "accepted and allocated where all want one item; where they want 50; compared"
    return [at_least("hot", what, result, hot / spread, WANTED)]


def measure(
    console: Console, rounds: int = TURNS, seconds: float = SECONDS
) -> dict[str, list[Turn]]:
    """Return the turns of both kinds of orders."""
    turns: dict[str, list[Turn]] = {kind: [] for kind in KINDS}
    with ExitStack() as running:
        database = running.enter_context(servers())
        url = running.enter_context(ours())
        running.enter_context(allocation())

        def turn_of(kind: str, run: str, lasting_s: float) -> Turn:
            left = partial(pending, database)
            return uvloop.run(turn(url, f"{kind}-{run}", left, lasting_s, order=KINDS[kind]))

        for kind in KINDS:
            turn_of(kind, "warm", WARM_UP_S)
        with bar(console, "one item or many", rounds * len(KINDS)) as advance:
            for number in range(rounds):
                for kind in KINDS:
                    turns[kind].append(turn_of(kind, str(number), seconds))
                    advance(sum(map(len, turns.values())), rounds * len(KINDS))
    return turns
