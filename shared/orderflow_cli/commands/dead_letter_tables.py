"""Dead letters for people: tables and sentences; JSON for programs."""

from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orderflow.dead_letters.selections import DiscardLetters, RedriveLetters

WIDTH_OF_NO_TERMINAL = 160  # columns, so that a table in a pipe or a file is not folded much

Row = dict[str, Any]


def say(text: str) -> None:
    """Print a remark, beside the outcome and not in it."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def show_json(outcome: object) -> None:
    """Print the outcome for a program."""
    text = orjson.dumps(outcome, option=orjson.OPT_INDENT_2).decode()
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(text)


def show_letters(letters: list[Row]) -> None:
    """Print letters as a table."""
    table = _table("id", "last failed", "times", "event", "of", "error")
    for letter in letters:
        of = [letter[name] for name in ("order_id", "item") if letter[name]]
        error = f"{letter['error']}: {letter['detail']}"
        cells = [letter["id"], _time(letter["last_failed_at"]), letter["failures"], letter["type"]]
        _add(table, *cells, "\n".join(of), error)
    _print(table)


def show_redrives(redrives: list[Row]) -> None:
    """Print the record of redrives and discards as a table."""
    table = _table(
        "id", "when", "who", "what", "selection", "letters", "sent", "waiting", "given up", "back"
    )
    for row in redrives:
        counts = [row[name] for name in ("matched", "sent", "waiting", "given_up", "came_back")]
        selection = orjson.dumps(row["selection"]).decode()
        _add(table, row["id"], _time(row["at"]), row["by"], row["action"], selection, *counts)
    _print(table)


def show_outcome(asked: DiscardLetters, done: Row) -> None:
    """Print what was done or, after a dry run, what would be."""
    letters = f"{done['matched']:,} letter{'s' * (done['matched'] != 1)}"
    if asked.dry_run:
        _show_dry_run(f"{letters} would be {_becomes(asked)}", done)
    elif not done["matched"]:
        print_line(f"no letter to be {_becomes(asked)}")
    elif isinstance(asked, RedriveLetters):
        rest = ""
        if done["matched"] > asked.rate_per_s:
            last = _time(done["last_send_at"])
            rest = f"; at {asked.rate_per_s} a second, so the last one at {last}"
        told = f"redrive {done['redrive']}: {letters} sent by the next sweep, within 10 s{rest}"
        print_line(told)
    else:
        print_line(f"discard {done['redrive']}: {letters} discarded")
    _show_left_out(done)


def print_line(text: str) -> None:
    """Print a sentence of the outcome."""
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(text)


def _becomes(asked: DiscardLetters) -> str:
    return "redriven" if isinstance(asked, RedriveLetters) else "discarded"


def _show_dry_run(told: str, done: Row) -> None:
    print_line(told)
    if not done["matched"]:
        return
    table = _table("event", "error", "letters")
    for kind in done["kinds"]:
        _add(table, kind["type"], kind["error"], kind["letters"])
    _print(table)
    print_line(f"the first {len(done['first'])}:")
    show_letters(done["first"])


def _show_left_out(done: Row) -> None:
    if done["skipped"]:
        say(f"{done['skipped']:,} left out: they wait to be sent, or are settled, already")
    if done["cannot_be_sent"]:
        cut = "their topic is not known, or their data was cut"
        say(f"{done['cannot_be_sent']:,} left out, because they can't be sent: {cut}")
    if done["more"]:
        say("there are more: ask again for the rest")


def _table(*columns: str) -> Table:
    table = Table(*columns)
    for column in table.columns:
        column.overflow = "fold"
    return table


def _add(table: Table, *cells: object) -> None:
    table.add_row(*(escape(str(cell)) for cell in cells))


def _print(table: Table) -> None:
    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(emoji=False, width=WIDTH_OF_NO_TERMINAL)
    console.print(table)


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%SZ")
