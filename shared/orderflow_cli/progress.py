"""Progress of long work, for a person to watch."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from knative_local.supervisor.component import Component
from knative_local.supervisor.supervisor import Progress as Report


@contextmanager
def bar(console: Console, what: str, total: int | None = None) -> Iterator["Advance"]:
    """Show a bar for the block; call what it yields with how much is done, and a new total."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console) as shown:
        yield Advance(shown, what, total)


class Advance:
    """Moves a bar."""

    def __init__(self, shown: Progress, what: str, total: int | None) -> None:
        self._shown = shown
        self._task = shown.add_task(f"{what:<28}", total=total)

    def __call__(self, done: int, total: int | None = None) -> None:
        """Set how much is done, and of how much."""
        self._shown.update(self._task, completed=done, total=total)


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
