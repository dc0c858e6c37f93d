"""Dead letters for people: tables and sentences."""

from datetime import datetime
from typing import Any

import orjson

from orderflow.dead_letters.selections import Selection
from orderflow_cli.output import say, say_table

Row = dict[str, Any]


def show_letters(letters: list[Row]) -> None:
    """Print letters as a table."""
    columns = "id", "last failed", "times", "event", "of", "for", "error"
    rows = [
        (
            letter["id"],
            _time(letter["last_failed_at"]),
            letter["failures"],
            letter["type"],
            tuple(letter[name] for name in ("order_id", "item") if letter[name]),
            letter["consumer"],
            f"{letter['error']}: {letter['detail']}",
        )
        for letter in letters
    ]
    say_table(columns, rows)


def show_redrives(redrives: list[Row]) -> None:
    """Print the record of redrives and discards as a table."""
    counts = "matched", "sent", "waiting", "given_up", "came_back"
    rows = [
        (
            row["id"],
            _time(row["at"]),
            row["by"],
            row["action"],
            orjson.dumps(row["selection"]).decode(),
            *(row[name] for name in counts),
        )
        for row in redrives
    ]
    columns = "id", "when", "who", "what", "selection", "letters", "sent", "waiting", "given up"
    say_table([*columns, "back"], rows)


def show_outcome(command: Selection, done: Row) -> None:
    """Print what was done or, after a dry run, what would be."""
    letters = f"{done['matched']:,} letter{'s' * (done['matched'] != 1)}"
    becomes = "discarded" if command.rate_per_s is None else "redriven"
    if command.dry_run:
        say(f"{letters} would be {becomes}")
        _show_matched(done)
    elif not done["matched"]:
        say(f"no letter to be {becomes}")
    elif command.rate_per_s is not None:
        rest = ""
        if done["matched"] > command.rate_per_s:
            last = _time(done["last_send_at"])
            rest = f"; at {command.rate_per_s} a second, so the last one at {last}"
        say(f"redrive {done['redrive']}: {letters} sent by the next sweep, within 10 s{rest}")
    else:
        say(f"discard {done['redrive']}: {letters} discarded")
    _say_what_was_left_out(done)


def _show_matched(done: Row) -> None:
    if done["matched"]:
        columns = "type", "error", "letters"
        rows = [[kind[name] for name in columns] for kind in done["kinds"]]
        say_table(["event", "error", "letters"], rows)
        say(f"the first {len(done['first'])}:")
        show_letters(done["first"])


def _say_what_was_left_out(done: Row) -> None:
    if done["skipped"]:
        waits = "they wait to be sent, or are settled, already"
        say(f"{done['skipped']:,} left out: {waits}", stderr=True)
    if done["cannot_be_sent"]:
        cut = "their topic is not known, or their data was cut"
        left_out = f"{done['cannot_be_sent']:,} left out, because they can't be sent: {cut}"
        say(left_out, stderr=True)
    if done["more"]:
        say("there are more: ask again for the rest", stderr=True)


def _time(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%SZ")
