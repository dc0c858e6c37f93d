"""Proves from the database, while it is in use, that all adds up; names each row that does not.

The checks share one snapshot, so that what they compare belongs together. They only read, and take
no lock that a writer waits for.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from orderflow.database.connection import Connection, statement
from orderflow.errors import Conflict
from orderflow.orders.states import MOVES, Status

BEGIN_AUDIT = statement(__file__, "begin_audit.sql")
LOCK_AUDIT = statement(__file__, "lock_audit.sql")

SHOWN = 100  # rows of a check: a person reads fewer, and the count is exact anyway
ANSWER_TIMEOUT_S = 310.0  # above the limit of a statement in begin_audit.sql

# Takes how many checks are done, and of how many.
Report = Callable[[int, int], None]

_REPAIR = "orderflow audit --repair --by NAME repairs it by entries of the ledger."
_RESTORE = "No program can know what happened: compare with a backup and with the log."


class AuditUnderWay(Conflict):
    """Another audit runs. One takes from a second to some minutes."""

    headers: Mapping[str, str] = MappingProxyType({"Retry-After": "10"})


class Check(NamedTuple):
    """One thing that must be so; `remedy` is what to do when it is not.

    `parameters` are the statement's own, beside how many rows it shows.
    """

    name: str
    promise: str
    sql: str
    remedy: str
    parameters: Mapping[str, object] = MappingProxyType({})


def _walks(path: tuple[Status, ...] = ("pending",)) -> Iterator[str]:
    # Every way through the statuses that the moves allow; none leads back, so all end.
    yield " ".join(path)
    for enters in MOVES[path[-1]]:
        yield from _walks((*path, enters))


CHECKS = (
    Check(
        "ledger",
        "stock is the sum of its ledger",
        statement(__file__, "check_ledger.sql"),
        _REPAIR,
    ),
    Check(
        "reservations",
        "what confirmed orders hold is reserved, and nothing else",
        statement(__file__, "check_reservations.sql"),
        f"{_REPAIR} If more is held than is on hand, count the item or cancel orders first.",
    ),
    Check(
        "oversold",
        "no reservation ever went beyond what was there",
        statement(__file__, "check_oversold.sql"),
        "Restock or cancel what cannot be shipped; the entries stay, they tell what happened.",
    ),
    Check(
        "history",
        "every order is where its history leads, by allowed moves",
        statement(__file__, "check_history.sql"),
        _RESTORE,
        {"walks": list(_walks())},
    ),
    Check(
        "movements",
        "each order moved its stock as its history demands, once",
        statement(__file__, "check_movements.sql"),
        f"{_RESTORE} Once the entries are right again, --repair evens the sums.",
    ),
    Check(
        "changes",
        "each applied inventory change moved its stock once, no other did",
        statement(__file__, "check_changes.sql"),
        f"{_RESTORE} Then count the item: a count sets right whatever was on hand.",
    ),
    Check(
        "backorders",
        "the queue is the lines of the backordered orders",
        statement(__file__, "check_backorders.sql"),
        "orderflow audit --repair --by NAME makes the queue anew from the orders.",
    ),
    Check(
        "waiting",
        "nobody waits for stock that is free",
        statement(__file__, "check_waiting.sql"),
        "orderflow audit --repair --by NAME has the stock offered.",
    ),
    Check(
        "deadlines",
        "nothing open is without a deadline",
        statement(__file__, "check_deadlines.sql"),
        "Set due_at (announce_at of a change) to now: then sweep looks at it.",
    ),
    Check(
        "counters",
        "the counters of orders are what there is of each status",
        statement(__file__, "check_counters.sql"),
        "orderflow audit --repair --by NAME sets them right.",
    ),
    Check(
        "lists",
        "lists by item and status have every order, where it belongs",
        statement(__file__, "check_lists.sql"),
        "orderflow audit --repair --by NAME puts the orders where they belong.",
    ),
)


@dataclass(frozen=True)
class Finding:
    """What a check found: how many rows it read, how many differences, the first of these.

    `remark` is worth knowing and no fault.
    """

    check: str
    promise: str
    looked_at: int
    found: int
    rows: list[dict[str, Any]]
    remedy: str
    remark: str | None = None


@dataclass(frozen=True)
class Audit:
    """What all checks found, in the order of `CHECKS`."""

    findings: list[Finding]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not any(finding.found for finding in self.findings)

    def found(self, *checks: str) -> int:
        """Return how many differences these checks found together."""
        return sum(finding.found for finding in self.findings if finding.check in checks)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON objects."""
        checks = [asdict(finding) for finding in self.findings]
        return {"holds": self.holds, "seconds": round(self.seconds, 3), "checks": checks}


def audit(
    connection: Connection,
    report: Report = lambda done, total: None,
    *,
    checks: Sequence[Check] = CHECKS,
    shown: int = SHOWN,
    alone: bool = False,
) -> Audit:
    """Run the checks on one snapshot; `report` hears of each that is done.

    At most `shown` differences of a check are listed. Raises `DatabaseAway` when the database does
    not answer, and if it is to run `alone`, `AuditUnderWay` while another such one does.
    """
    started = time.perf_counter()
    findings = []
    with connection.transaction():
        connection.script(BEGIN_AUDIT)
        if alone and connection.run(LOCK_AUDIT) != [[True]]:
            raise AuditUnderWay("another audit is under way; wait for its outcome")
        for number, check in enumerate(checks, 1):
            findings.append(_finding(connection, check, shown))
            report(number, len(checks))
    return Audit(findings, time.perf_counter() - started)


def _finding(connection: Connection, check: Check, shown: int) -> Finding:
    ((answer,),) = connection.run(check.sql, shown=shown, **check.parameters)
    found = orjson.loads(answer)
    return Finding(check.name, check.promise, remedy=check.remedy, **found)
