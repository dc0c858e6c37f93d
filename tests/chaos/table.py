"""What came of many faults, as a table for the README."""

import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from tests.chaos.run import Outcome

HEAD = """\
| fault | times | orders accepted | s to recovery, p50 / max | lost | twice | oversold | stuck |
|---|---|---|---|---|---|---|---|"""


def table(outcomes: Iterable[Outcome]) -> str:
    """Return a row for each kind of fault and one for all, in Markdown."""
    by_kind = sorted(outcomes, key=lambda outcome: outcome.kind)
    rows = [row(kind, list(some)) for kind, some in groupby(by_kind, key=lambda o: o.kind)]
    return "\n".join([HEAD, *rows, row("all", by_kind)])


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """Return one row."""
    recovered = [outcome.recovered_s for outcome in outcomes]
    cells = [
        name,
        len(outcomes),
        f"{sum(outcome.accepted for outcome in outcomes):,}",
        f"{statistics.median(recovered):.1f} / {max(recovered):.1f}",
        *(sum(column) for column in zip(*map(promises, outcomes), strict=True)),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def promises(outcome: Outcome) -> tuple[int, int, int, int]:
    """Return how much was lost, done twice, oversold and stuck."""
    proof = outcome.proof
    return proof.lost, proof.done_twice, proof.oversold, outcome.stuck
