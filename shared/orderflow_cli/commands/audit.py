"""`orderflow audit`: the audit as it goes, its outcome for a person or a program, and repairs."""

from rich.console import Console

from orderflow.database.connection import Connection
from orderflow_cli.audit.checks import ANSWER_TIMEOUT_S, CHECKS, Audit, audit
from orderflow_cli.audit.repair import Repair, repair
from orderflow_cli.audit.tables import show_audit, show_repair
from orderflow_cli.database import open_database
from orderflow_cli.output import say_json
from orderflow_cli.progress import bar


def audit_command(url: str, *, by: str | None = None, as_json: bool = False) -> bool:
    """Audit the database and print what it found; return whether all holds.

    With `by`, who answers for it, repair what can be repaired, print each, and audit again.
    """
    console = Console(quiet=as_json)
    with open_database(url, answer_timeout_s=ANSWER_TIMEOUT_S) as connection:
        audited = _audit(connection, console)
        printed = audited.as_json()
        if by is not None:
            made = _repair(connection, console, by)
            again = _audit(connection, console)
            repaired = [{"kind": done.kind, **done.what} for done in made]
            printed = {**again.as_json(), "repairs": repaired, "before": printed}
            audited = again
    if as_json:
        say_json(printed)
    return audited.holds


def _audit(connection: Connection, console: Console) -> Audit:
    # Progress goes where it does not mix with the outcome.
    with bar(Console(stderr=True), "auditing", len(CHECKS)) as advance:
        audited = audit(connection, advance)
    show_audit(console, audited)
    return audited


def _repair(connection: Connection, console: Console, by: str) -> list[Repair]:
    made = []
    for done in repair(connection, by):
        show_repair(console, done)
        made.append(done)
    console.print(f"{len(made)} repaired")
    return made
