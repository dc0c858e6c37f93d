"""How commands print: sentences and JSON as they are, tables as wide as there is room."""

from collections.abc import Iterable, Sequence

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orderflow.text import printable

WIDTH_OF_NO_TERMINAL = 160  # columns, so that a table in a pipe or a file is not folded much


def say(*lines: str | Text, stderr: bool = False) -> None:
    """Print lines; a remark that is no part of the outcome goes to standard error."""
    # Names are shown as they are, and a line break inside a command would break the command.
    console = Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
    for line in lines:
        shown = printable(str(line))
        console.print(line if shown == str(line) else shown)


def say_json(outcome: object) -> None:
    """Print the outcome for a program."""
    say(*orjson.dumps(outcome, option=orjson.OPT_INDENT_2).decode().split("\n"))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, or that it has no row; None is an empty cell, a tuple one of several lines."""
    rows = list(rows)
    if not rows:
        say("none")
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(cell_text, row))
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, width=WIDTH_OF_NO_TERMINAL)
    console.print(table)


def cell_text(cell: object) -> str:
    """Return what stands in the cell of a table, whatever it is."""
    lines = cell if isinstance(cell, tuple) else [cell]
    return "\n".join(escape(printable(str(line))) for line in lines if line is not None)
