"""`orderflow audit`: the audit as it goes, its outcome for a person or a program, and repairs."""

from rich.console import Console

from orderflow.audit.checks import ANSWER_TIMEOUT_S, CHECKS
from orderflow.audit.record import Audited, run_audit
from orderflow.database.connection import Connection
from orderflow_cli.audit.repair import Repair, repair
from orderflow_cli.audit.tables import show_audit, show_repair
from orderflow_cli.database import open_database
from orderflow_cli.output import say_json
from orderflow_cli.progress import bar


def audit_command(url: str, by: str, *, repairs: bool = False, as_json: bool = False) -> bool:
    """Audit the database, keep and print what it found; return whether all holds.

    `by` is who asks. With `repairs` they answer for it too: repair what can be repaired, print
    each, and audit again.
    """
    console = Console(quiet=as_json)
    with open_database(url, answer_timeout_s=ANSWER_TIMEOUT_S) as connection:
        audited = _audit(connection, console, by)
        printed = _as_json(audited)
        if repairs:
            made = _repair(connection, console, by)
            again = _audit(connection, console, by)
            repaired = [{"kind": done.kind, **done.what} for done in made]
            printed = {**_as_json(again), "repairs": repaired, "before": printed}
            audited = again
    if as_json:
        say_json(printed)
    return audited.audit.holds


def _as_json(audited: Audited) -> dict[str, object]:
    return {"audit_id": audited.audit_id, **audited.audit.as_json()}


def _audit(connection: Connection, console: Console, by: str) -> Audited:
    # Progress goes where it does not mix with the outcome.
    with bar(Console(stderr=True), "auditing", len(CHECKS)) as advance:
        audited = run_audit(connection, by, report=advance)
    show_audit(console, audited.audit)
    console.print(f"kept as audit {audited.audit_id}")
    return audited


def _repair(connection: Connection, console: Console, by: str) -> list[Repair]:
    made = []
    for done in repair(connection, by):
        show_repair(console, done)
        made.append(done)
    console.print(f"{len(made)} repaired")
    return made
