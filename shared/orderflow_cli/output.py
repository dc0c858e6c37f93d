"""How commands print: sentences and JSON as they are, tables as wide as there is room."""

from collections.abc import Iterable, Sequence

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

WIDTH_OF_NO_TERMINAL = 160  # columns, so that a table in a pipe or a file is not folded much


def say(text: str | Text, *, stderr: bool = False) -> None:
    """Print a line; a remark that is no part of the outcome goes to standard error."""
    # Names are shown as they are, and a line break inside a command would break the command.
    console = Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
    console.print(text)


def say_json(outcome: object) -> None:
    """Print the outcome for a program."""
    say(orjson.dumps(outcome, option=orjson.OPT_INDENT_2).decode())


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, or that it has no row; None is an empty cell."""
    rows = list(rows)
    if not rows:
        say("none")
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, width=WIDTH_OF_NO_TERMINAL)
    console.print(table)
