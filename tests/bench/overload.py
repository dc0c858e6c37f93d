"""As many callers at the same instant as a function lets wait, and three times as many."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

import uvloop
from rich.console import Console
from rich.table import Table

from orderflow.server.admission import MAX_WAITING, raise_open_file_limit
from tests.bench.servers import ours, servers
from tests.support.callers import Tally, burst

TIMES = (1, 3)
TURNS = 3  # of each, one after the other; the median of so many
REST_S = 1.0  # in between, for what the last turn left


def main(console: Console) -> None:
    """Let the crowds place orders in turns; print what became of them."""
    raise_open_file_limit()
    with servers(), ours() as url:
        tallies = uvloop.run(crowds(urlsplit(url).port or 80))
    shown = Table("callers", "served", "p50 s", "p99 s", "refused", "p99 s", title="all at once")
    for times in TIMES:
        turns = sorted(tallies[times], key=lambda tally: tally.percentile("201", 99))
        shown.add_row(f"{times * MAX_WAITING:,}", *figures(turns))
    console.print(shown)


async def crowds(port: int) -> dict[int, list[Tally]]:
    """Return what became of every turn."""
    tallies: dict[int, list[Tally]] = {times: [] for times in TIMES}
    for _ in range(TURNS):
        for times in TIMES:
            tallies[times].append(await burst(port, times * MAX_WAITING))
            await asyncio.sleep(REST_S)
    return tallies


def figures(turns: Sequence[Tally]) -> list[str]:
    """Return the figures of the turn in the middle."""
    tally = turns[len(turns) // 2]
    served = [f"{tally.percentile('201', percent):.2f}" for percent in (50, 99)]
    refused = tally.outcomes["503"]
    last = f"{tally.percentile('503', 99):.2f}" if refused else ""
    return [f"{tally.outcomes['201']:,}", *served, f"{refused:,}", last]
