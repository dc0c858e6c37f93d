"""What a component prints: kept in a file as it is, and shown a line at a time with its name."""

import sys
from pathlib import Path
from typing import BinaryIO, Literal

from knative_local.supervisor.log_line import cause_of, for_machines, for_people

# A file grows to this and is then renamed to NAME.log.1, so that a component keeps at most twice
# as much on disk.
MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 4096  # of the end of what was printed, to say why a component failed
MAX_LINE_BYTES = 64 * 1024  # a longer line is shown in pieces, so that none is held without bound
MAX_HELD_LINES = 1000  # printed before the component is ready

LogFormat = Literal["people", "json"]


class Output:
    """The sink of one component's standard output and error: a file, and standard output."""

    def __init__(
        self, name: str, log_path: Path, *, show: LogFormat | None, screen: BinaryIO | None = None
    ) -> None:
        """Append to `log_path`; show lines for people or for machines too, unless None."""
        self._name, self._path, self._format = name, log_path, show
        self._screen = screen or sys.stdout.buffer
        self._partial = self._tail = b""
        self._held: list[str] | None = None
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._file = log_path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        """Take what the component printed: one write per destination, however many lines."""
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        if self._file.tell() > MAX_LOG_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab", buffering=0)
        self._file.write(chunk)
        complete, newline, rest = (self._partial + chunk).rpartition(b"\n")
        if not newline and len(rest) > MAX_LINE_BYTES:
            complete, newline, rest = rest, b"\n", b""
        self._partial = rest
        if newline:
            self._show(complete.decode(errors="replace").split("\n"))

    def restart(self) -> None:
        """Forget what a former process printed, except in the file.

        Until `show_held`, lines of plain text are held back: a process that fails to start prints
        much, of which its `cause` is what a reader wants.
        """
        self._tail, self._held = b"", []

    def show_held(self) -> None:
        """Show what was held back, and hold no more."""
        held, self._held = self._held, None
        self._show(held or [])

    def printed(self, text: bytes) -> bool:
        """Whether this is in the last 4 KiB since `restart`."""
        return text in self._tail

    def cause(self) -> str:
        """Return why the component ended: its last exception with its place, or its last line."""
        self._held = None
        said = cause_of(self._tail.decode(errors="replace"))
        return f"{said} (all of it: {self._path})" if said else "it printed nothing"

    def close(self) -> None:
        """Show an unfinished line and close the file."""
        if self._partial:
            self._show([self._partial.decode(errors="replace")])
        self._file.close()

    def _show(self, lines: list[str]) -> None:
        if self._held is not None and self._format == "people":
            text = [line for line in lines if not line.startswith("{")]
            self._held = (self._held + text)[:MAX_HELD_LINES]
            lines = [line for line in lines if line.startswith("{")]
        if self._format is not None and lines:
            render = for_people if self._format == "people" else for_machines
            self._screen.write("".join(render(self._name, line) for line in lines).encode())
            self._screen.flush()
