"""`orderflow explain`: one order and why it waits, as a person reads it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rich.text import Text

from orderflow.errors import NotFound
from orderflow.orders.diagnosis.commands import Target
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import find_order
from orderflow_cli.database import open_database
from orderflow_cli.output import say, say_json

Json = dict[str, Any]
LABEL_WIDTH = 12
UNITS_S = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def explain_command(url: str, order_id: str, target: Target, *, as_json: bool = False) -> None:
    """Print an order, its history, why it waits and what moves it; raises `NotFound`."""
    with open_database(url) as connection:
        found = find_order(connection, order_id)
    if found is None:
        raise NotFound(f"there is no order {order_id}")
    waiting = explain(found.facts, target)
    if as_json:
        say_json(found.order | {"waiting": waiting})
        return
    for line in describe(found.order, waiting, datetime.now(UTC)):
        say(line)


def describe(order: Json, waiting: Json | None, now: datetime) -> Iterator[Text]:
    """Yield the lines that tell of an order, as GET /order shows it, and of its waiting. Pure."""
    yield Text.assemble(("order ", "dim"), (order["order_id"], "bold"), "  ", order["status"])
    yield _line("placed", f"{_when(order['placed_at'])}, {_ago(order['placed_at'], now)}")
    for line in order["lines"]:
        yield _line("", f"{line['quantity']} {line['item']}")
    yield Text("")
    yield from _history(order["history"])
    if waiting is not None:
        yield Text("")
        yield from _waiting(waiting, now)


def _history(history: list[Json]) -> Iterator[Text]:
    between = [0.0, *(_seconds(a["at"], b["at"]) for a, b in pairwise(history))]
    for step, seconds in zip(history, between, strict=True):
        after = f"+{duration(seconds)}" if step["sequence"] > 1 else ""
        yield _line(step["status"], f"{_when(step['at'])}  {after:<12}  {step['cause']}")


def _waiting(waiting: Json, now: datetime) -> Iterator[Text]:
    yield _line("waits for", waiting["for"])
    for item in waiting["items"]:
        figures = ("needs", "available", "short_by", "ahead")
        text = ", ".join(f"{name.replace('_', ' ')} {item[name]}" for name in figures)
        yield _line("", f"{item['item']}: {text}")
    if waiting["attention"]:
        yield _line("attention", waiting["attention"])
    if waiting["attempts"]:
        last = f"the last {_ago(waiting['last_failed_at'], now)}: {waiting['last_error']}"
        yield _line("failed", f"{waiting['attempts']} times, {last}")
    if letter := waiting["dead_letter"]:
        yield _line("dead letter", f"{letter['id']}: {letter['error']}")
    if unsent := waiting["unsent"]:
        yield _line("not sent", f"{unsent['type']}, {_ago(unsent['since'], now)}")
    if waiting["next_try"]:
        announced = f"announced {waiting['announcements']} times so far"
        yield _line("next try", f"{_ago(waiting['next_try'], now)}, {announced}")
    due = waiting["deadline"]
    yield _line("deadline", f"{_when(due)}, {_ago(due, now)}" if due else "none")
    yield _line("and then", waiting["at_deadline"])
    if waiting["unstick"]:
        yield Text("")
        yield Text("what moves it", "dim")
    for command in waiting["unstick"]:
        yield Text.assemble("  ", (command, "bold"))


def duration(seconds: float) -> str:
    """Return a time span in its two largest units, below a minute as seconds alone."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    parts: list[str] = []
    left = int(seconds)
    for unit, size in UNITS_S:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _ago(time: str, now: datetime) -> str:
    seconds = (now - datetime.fromisoformat(time)).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def _when(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC"


def _seconds(since: str, until: str) -> float:
    span = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(span.total_seconds(), 0)


def _line(label: str, text: str) -> Text:
    return Text.assemble((f"{label:<{LABEL_WIDTH}}", "dim"), text)
