"""The four main ratios in 90 s, held against the README: `make bench-quick`.

It fails where a ratio is under 85 % of what stands there: then something has become slow, or the
README says what is no longer so.
"""

import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench import accepting, pipeline

CALLERS = 32
ROUNDS = 5
SECONDS, TURNS = 7.0, 2  # of the pipeline
LEAST = 0.85  # of the README's ratio; from run to run they differ by a tenth


class Kept(NamedTuple):
    """A ratio of the README: the part that measures it, and what its row says."""

    part: str
    said: str


KEPT = {
    **{f"accepting, beside {name}": Kept("accepting", said) for name, said in
       accepting.SAID.items()},
    "pipeline, beside fastapi": Kept("pipeline", pipeline.COMPARED),
}  # fmt: skip


def main(console: Console) -> None:
    """Measure, print, and end with an error where a ratio has become too small."""
    kept = ratios_of((ROOT / "README.md").read_text())
    found = measure(console)
    shown = Table("ratio", "now", "README", "share", title=f"at {CALLERS} callers")
    for name, now in found.items():
        shown.add_row(name, f"{now:.2f}", f"{kept[name]:.2f}", f"{now / kept[name]:.0%}")
    console.print(shown)
    if slow := too_small(found, kept):
        sys.exit(f"under {LEAST:.0%} of what README.md says: {', '.join(slow)}")


def measure(console: Console) -> dict[str, float]:
    """Return the ratios as they are now."""
    rates = accepting.measure(console, [CALLERS], ROUNDS)
    turns = pipeline.measure(console, SECONDS, TURNS)
    beside = {f"accepting, beside {n}": accepting.times(rates, n, CALLERS) for n in accepting.SAID}
    return beside | {"pipeline, beside fastapi": pipeline.times(turns)}


def too_small(found: Mapping[str, float], kept: Mapping[str, float]) -> list[str]:
    """Return the names of the ratios that have become too small."""
    return [name for name, now in found.items() if now < LEAST * kept[name]]


def ratios_of(readme: str) -> dict[str, float]:
    """Return the README's ratios; raises `ValueError` naming the row that it lacks."""
    return {name: ratio_of(readme, row) for name, row in KEPT.items()}


def ratio_of(readme: str, kept: Kept) -> float:
    """Return the ratio of a row: its only one, or the one of so many callers.

    Which number is of how many callers, the part's first row says.
    """
    results = numbers(row_of(readme, kept.part, kept.said)[-1])
    if len(results) == 1:
        return results[0]
    counts = numbers(row_of(readme, kept.part, "callers")[1])
    if len(counts) != len(results) or CALLERS not in counts:
        raise ValueError(f"README.md: {kept.said}: {results} are not of {counts} callers")
    return results[counts.index(CALLERS)]


def row_of(readme: str, part: str, said: str) -> list[str]:
    """Return the cells of the first row of a part that says this."""
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and f"ARGS={part}`" in cells[0] and said in cells[1]:
            return cells
    raise ValueError(f"README.md has no row of `make bench ARGS={part}` that says: {said}")


def numbers(text: str) -> list[float]:
    """Return the numbers in a text, without the commas between their digits."""
    return [float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*\.?\d*", text)]
