"""The demo's tables: what happened, at a glance."""

from typing import Any

from rich.table import Table

from orderflow_cli.audit.proof import Proof
from orderflow_cli.demo.orders import Placed

SHARES = 0.5, 0.95, 0.99


def summary(placed: Placed, figures: dict[str, Any], ready_s: float) -> Table:
    """Return what the callers were told, what became of their orders, and how fast it went."""
    statuses = placed.statuses
    table = Table(title="5,000 orders, 32 callers at once", show_header=False, min_width=64)
    rows = [
        ("accepted", statuses[201], "stored, and sent to Kafka"),
        ("repeated", statuses[200], "same answer, no second order"),
        ("refused", statuses[422], "invalid, nothing stored"),
        (
            "other",
            sum(statuses.values()) - sum(statuses[s] for s in (200, 201, 422)),
            "no such answer is expected",
        ),
        None,
        ("confirmed", figures["confirmed"], "stock reserved, every line"),
        ("backordered", figures["backordered"], "wait for stock, in order"),
        ("rejected", figures["rejected"], "short, and would not wait"),
        None,
        ("orders/s accepted", round(statuses[201] / placed.seconds), "through the gateway"),
        (
            "orders/s allocated",
            round(figures["allocated"] / float(figures["allocated_in_s"])),
            "from first to last outcome",
        ),
        ("ms to accepted", _percentiles(placed.latencies_ms), "p50 / p95 / p99"),
        ("ms to allocated", _percentiles(figures["latencies_ms"]), "p50 / p95 / p99"),
        (
            "s to the last outcome",
            f"{float(figures['settled_after_s']):.1f}",
            "after the last acceptance",
        ),
        ("s to ready", f"{ready_s:.1f}", "from nothing running"),
    ]
    for row in rows:
        if row is None:
            table.add_section()
        else:
            table.add_row(row[0], _number(row[1]), row[2])
    table.columns[1].justify = "right"
    return table


def proof_table(when: str, proof: Proof) -> Table:
    """Return the promises and what the database says of them."""
    table = Table(title=f"the proof, {when}", show_header=False, min_width=64)
    found = proof.audit.found
    rows = [
        ("orders lost", proof.lost + proof.without_outcome, "accepted, yet gone or undecided"),
        ("orders done twice", proof.done_twice, "a move or movement repeated"),
        ("reservations oversold", proof.oversold, "beyond what was there, ever"),
        ("stock unlike its ledger", found("ledger"), "movements that do not add up"),
        ("stock unlike its orders", found("reservations"), "reserved for nobody"),
        ("orders forgotten", found("backorders", "waiting", "deadlines"), "would wait for ever"),
    ]
    for name, count, meaning in rows:
        mark = "[red]BROKEN[/red]" if count else "[green]holds[/green]"
        table.add_row(name, _number(count), mark, meaning)
    table.columns[1].justify = "right"
    return table


def _percentiles(values: list[Any]) -> str:
    ordered = sorted(float(value) for value in values)
    picked = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in SHARES)
    return " / ".join(f"{value:,.0f}" for value in picked)


def _number(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
