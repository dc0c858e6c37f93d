"""What a part of the benchmark found, as rows of the README's table of numbers."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Figure(NamedTuple):
    """A row: the part that measured it, what, the result, and what is wanted, where something is.

    `share` is how far the wanted is reached: 1 and more is reached.
    """

    part: str
    what: str
    result: str
    wanted: str = ""
    share: float | None = None

    @property
    def command(self) -> str:
        """The command that measures it again."""
        return f"`make bench ARGS={self.part}`"


def at_least(part: str, what: str, result: str, value: float, wanted: float) -> Figure:
    """Return a row of which more is better."""
    return Figure(part, what, result, f"at least {wanted:g}", value / wanted)


def at_most(part: str, what: str, result: str, value: float, wanted: float) -> Figure:
    """Return a row of which less is better."""
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
    for figure in figures:
        print(f"| {figure.command} | {figure.what} | {figure.result} |")
