"""An overview as a page of a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table

from orderflow_cli.output import cell_text
from orderflow_cli.top.sparkline import sparkline

SHOWN_ITEMS = 8  # of each list, so that the page fits on a screen
LATE_SWEEP_S = 30.0  # three of its rounds
LATE_PENDING_S = 60.0  # the first two announcements did not help

Row = Sequence[object]


def page(told: Mapping[str, Any], url: str, fault: str | None = None) -> Group:
    """Return all of it; `fault` is why it is not of now."""
    head = Table.grid(padding=(0, 2))
    head.add_row(f"[bold]OrderFlow[/bold] {cell_text(url)}", cell_text(_clock(told["at"])))
    if fault:
        head.add_row(f"[red]{cell_text(fault)}[/red]")
    stock = [("short", told["short_items"]), ("low", told["low_items"])]
    listed = [_items(name, found) for name, found in stock if found["count"]]
    return Group(head, _rates(told), _statuses(told), _facts(told), *listed)


def _rates(told: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for what in ("accepted", "allocated"):
        values = [minute[what] for minute in told["per_minute"]]
        # The last minute has only begun.
        rate = f"{values[-2]:,}/min, {sum(values):,} in the last hour"
        table.add_row(what, f"[cyan]{sparkline(values)}[/cyan]", rate)
    return table


def _statuses(told: Mapping[str, Any]) -> Table:
    table = Table(*told["orders"], title="orders", title_justify="left")
    table.add_row(*(f"{n:,}" for n in told["orders"].values()))
    for column in table.columns:
        column.justify = "right"
    return table


def _facts(told: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value, is_wrong in (*_progress(told), *_people(told), *_rounds(told)):
        shown = cell_text(value)
        table.add_row(name, f"[red]{shown}[/red]" if is_wrong else shown)
    return table


def _progress(told: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    times, oldest, outbox = told["allocation_ms"], told["oldest_pending"], told["outbox"]
    if times:
        shown = " / ".join(f"{times[name]:,.0f}" for name in ("p50", "p95", "p99"))
        of = f"p50 / p95 / p99 of {times['orders']:,} in {times['minutes']} minutes"
        yield "accepted to allocated", f"{shown} ms ({of})", False
    if oldest:
        waits = f"{_duration(oldest['age_s'])}, order {oldest['order_id']}"
        yield "longest pending", waits, oldest["age_s"] > LATE_PENDING_S
    since = f", the oldest for {_duration(outbox['oldest_s'])}" if outbox["waiting"] else ""
    yield "events to send", f"{outbox['waiting']:,}{since}", False
    if told["consumer_lag"] is None:
        yield "consumer lag", "Kafka does not answer", True
    for row in told["consumer_lag"] or ():
        yield "consumer lag", f"{row['lag']:,} on {row['topic']} of {row['group']}", False


def _people(told: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    asked, letters = told["attention"], told["dead_letters"]
    kinds = {
        "orders": asked["orders"],
        "inventory changes": asked["inventory_changes"],
        "refused changes": asked["refused_changes"],
        "dead letters": letters["kept"],
    }
    waiting = [f"{n:,} {name}" for name, n in kinds.items() if n]
    yield "needs a person", ", ".join(waiting) or "nothing", bool(waiting)
    if letters["redriving"]:
        yield "being sent again", f"{letters['redriving']:,} dead letters", False


def _rounds(told: Mapping[str, Any]) -> Iterable[tuple[str, str, bool]]:
    sweep, audit = told["last_sweep"], told["last_audit"]
    if sweep is None:
        yield "last sweep", "never", True
    else:
        yield "last sweep", f"{_duration(sweep['age_s'])} ago", sweep["age_s"] > LATE_SWEEP_S
    if audit is not None:
        outcome = "all of it held" if audit["passed"] else f"{audit['differences']:,} differences"
        yield "last audit", f"{_clock(audit['at'])}, {outcome}", not audit["passed"]


def _items(name: str, found: Mapping[str, Any]) -> Table:
    items = found["items"][:SHOWN_ITEMS]
    more = f", the first {len(items)}" if len(items) < found["count"] else ""
    title = f"{name} items: {found['count']:,}{more}"
    table = Table(*items[0], title=title, title_justify="left")
    for item in items:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else cell_text(v) for v in item.values()))
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _clock(time: str) -> str:
    return time[:19].replace("T", " ") + " UTC"


def _duration(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"
