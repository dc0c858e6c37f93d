"""An audit for people: a line for each check, then every row that differs and what to do."""

from rich.console import Console
from rich.table import Table

from orderflow.audit.checks import Audit, Finding
from orderflow_cli.audit.repair import Repair
from orderflow_cli.output import cell_text


def show_audit(console: Console, audited: Audit) -> None:
    """Print what holds and what does not."""
    table = Table("", "what must be so", "rows looked at", "differences")
    for finding in audited.findings:
        mark = "[red]✘[/red]" if finding.found else "[green]✔[/green]"
        table.add_row(mark, finding.promise, f"{finding.looked_at:,}", f"{finding.found:,}")
    for column in table.columns[2:]:
        column.justify = "right"
    console.print(table)
    for finding in audited.findings:
        if finding.remark:
            console.print(f"{finding.check}: {cell_text(finding.remark)}")
        if finding.found:
            _show_differences(console, finding)
    verdict = "[green]all of it holds[/green]" if audited.holds else "[red]not all holds[/red]"
    console.print(f"{verdict}, after {audited.seconds:.1f} s")


def show_repair(console: Console, done: Repair) -> None:
    """Print one thing that was repaired."""
    nothing = "-" if done.kind == "list" else 0
    what = {name: nothing if value is None else value for name, value in done.what.items()}
    line = _REPAIRED[done.kind].format(**what)
    told = f"repaired [bold]{cell_text(done.item)}[/bold]: {cell_text(line)}"
    console.print(told, soft_wrap=True)


_REPAIRED = {
    "entry": "ledger entry {entry}, on hand {on_hand_change:+}, reserved {reserved_change:+}; "
    "{reason}",
    "backorder": "order {order_id} waited for {queued} and waits for {ordered}",
    "counter": "{counted} orders were counted, and there are {orders}",
    "list": "order {order_id} was listed as {was_listed}, and now as {is_listed}",
    "offer": "what is free is offered to those who wait, with the next sweep",
}


def _show_differences(console: Console, finding: Finding) -> None:
    shown = len(finding.rows)
    several = f"the first {shown} of {finding.found:,}" if shown < finding.found else str(shown)
    title = f"{finding.check}: {several} that differ"
    table = Table(*finding.rows[0], title=title, title_justify="left")
    for row in finding.rows:
        table.add_row(*map(cell_text, row.values()))
    for column in table.columns:
        column.overflow = "fold"
    console.print(table)
    console.print(f"What to do: {finding.remedy}\n")
