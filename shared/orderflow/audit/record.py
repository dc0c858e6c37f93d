"""Audits that are kept: run one at a time, and found again."""

from typing import Any, NamedTuple, TypedDict, Unpack

from orderflow.audit.checks import Audit, Finding, Report, audit
from orderflow.database.connection import Connection, Json, statement
from orderflow.errors import NotFound
from orderflow.http.pagination import Page, position_of

INSERT_AUDIT = statement(__file__, "insert_audit.sql")
SELECT_AUDIT = statement(__file__, "select_audit.sql")
SELECT_AUDITS = statement(__file__, "select_audits.sql")

KEPT = 1_000  # nearly three years of one a night; most are a few hundred bytes
EXAMPLES = 20  # of each check that are kept: a person looks at a few, and the count is exact

Kept = dict[str, Any]


class How(TypedDict, total=False):
    """What `audit` is told beside the connection."""

    report: Report
    shown: int


class Audited(NamedTuple):
    """An audit, and its id among those that are kept."""

    audit_id: int
    audit: Audit


def run_audit(connection: Connection, asked_by: str, **how: Unpack[How]) -> Audited:
    """Audit and, in a transaction of its own, keep what was found; raises `AuditUnderWay`.

    A process that dies between the two has kept nothing, and nobody was told.
    """
    done = audit(connection, alone=True, **how)
    found = {
        "seconds": done.seconds,
        "differences": sum(finding.found for finding in done.findings),
        "counted": Json({finding.check: finding.looked_at for finding in done.findings}),
        "checks": Json([_check(finding) for finding in done.findings]),
    }
    ((audit_id,),) = connection.run(INSERT_AUDIT, asked_by=asked_by, others=KEPT - 1, **found)
    return Audited(audit_id, done)


def one_audit(connection: Connection, audit_id: int) -> Kept:
    """Return an audit that is kept; raises `NotFound`."""
    kept: Kept | None = connection.value(SELECT_AUDIT, audit_id=audit_id)
    if kept is None:
        raise NotFound(f"there is no audit {audit_id}; the last {KEPT:,} are kept")
    return kept


def audits_page(page: Page, connection: Connection) -> list[Kept]:
    """Return a page of audits, newest first, without what their checks found."""
    found: list[Kept]
    found = connection.value(SELECT_AUDITS, below=position_of(page), count=page.limit)
    return found


def _check(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.check,
        "title": finding.promise,
        "differences": finding.found,
        "examples": finding.rows[:EXAMPLES],
        "remedy": finding.remedy if finding.found else None,
        "remark": finding.remark,
    }
