"""Progress of long work, for a person to watch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from knative_local.supervisor.component import Component
from knative_local.supervisor.supervisor import Progress as Report

Advance = Callable[[int, int], None]  # how much is done, and of how much


@contextmanager
def bar(console: Console, what: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar for the block, which what it yields moves."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as shown:
        task = shown.add_task(f"{what:<28}", total=total)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def starting(console: Console) -> Iterator[Report]:
    """Show how many components are ready while the block starts them, from the first one on."""
    with ExitStack() as shown:
        bars: list[Advance] = []

        def report(components: Sequence[Component]) -> None:
            if not bars:
                bars.append(shown.enter_context(bar(console, "starting")))
            ready = sum(component.state == "ready" for component in components)
            bars[0](ready, len(components))

        yield report
