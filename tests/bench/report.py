"""What a part of the benchmark found, as rows of the README's table of numbers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """What a part measured, the result, and what is wanted, where something is.

    `share` is how far the wanted is reached: 1 and more is reached. A figure in a `row` of its own
    is read by `quick`; those of one part that are not stand side by side. `before` is what the
    same command gave on 2026-11-26, before the work on speed.
    """

    part: str
    what: str
    result: str
    wanted: str = ""
    share: float | None = None
    before: str = ""
    row: bool = False


def at_least(part: str, what: str, result: str, value: float, wanted: float) -> Figure:
    """Return a figure of which more is better."""
    return Figure(part, what, result, f"at least {wanted:g}", value / wanted)


def at_most(part: str, what: str, result: str, value: float, wanted: float) -> Figure:
    """Return a figure of which less is better."""
    return Figure(part, what, result, f"at most {wanted:g}", wanted / value if value else 1.0)


def print_figures(console: Console, figures: Sequence[Figure]) -> None:
    """Print the table for a person, and the rows as README.md has them."""
    shown = Table("part", "what", "result", "wanted", "", title="all of it")
    for figure in figures:
        mark = "" if figure.share is None else ("reached" if figure.share >= 1 else "missed")
        colour = "green" if mark == "reached" else "red"
        state = f"[{colour}]{mark}[/{colour}]" if mark else ""
        shown.add_row(figure.part, figure.what, figure.result, figure.wanted, state)
    console.print(shown)
    for row in readme_rows(figures):
        print(row)


def readme_rows(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the rows of README.md, in the order of the figures."""
    told = set()
    for figure in figures:
        beside = [figure] if figure.row else [
            other for other in figures if other.part == figure.part and not other.row
        ]  # fmt: skip
        if figure.row or figure.part not in told:
            cells = [[one.what for one in beside], [one.before for one in beside]]
            what, before, result = map("; ".join, [*cells, [one.result for one in beside]])
            before = before.strip("; ")
            yield f"| `make bench ARGS={figure.part}` | {what} | {before} | {result} |"
        told |= set() if figure.row else {figure.part}
