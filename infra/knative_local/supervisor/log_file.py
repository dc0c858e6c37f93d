"""What a component prints: kept in a file as it is, and shown a line at a time with its name."""

import sys
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Screen:
    """Where lines are shown, and how: readable, or one JSON object a line."""

    log_format: LogFormat = "people"
    stream: BinaryIO = field(default_factory=lambda: sys.stdout.buffer)


class Output:
    """The sink of one component's standard output and error."""

    def __init__(self, name: str, log_path: Path, *, screen: Screen | None) -> None:
        """Append to `log_path`; show lines on `screen` too unless it is None."""
        self._name, self._path, self._screen = name, log_path, screen
        self._partial = b""
        self._tail = b""
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
        if self._screen is not None:
            self._show(chunk, self._screen)

    def restart(self) -> None:
        """Forget what a former process printed, except in the file.

        Until `show_held`, lines of plain text are held back: a process that fails to start prints
        much, of which its `cause` is what a reader wants.
        """
        self._tail, self._held = b"", []

    def show_held(self) -> None:
        """Show what was held back, and hold no more."""
        held, self._held = self._held or [], None
        if self._screen is not None and held:
            self._screen.stream.write("".join(held).encode())
            self._screen.stream.flush()

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
        if self._partial and self._screen is not None:
            self._show(b"\n", self._screen)
        self._file.close()

    def _show(self, chunk: bytes, screen: Screen) -> None:
        complete, newline, rest = (self._partial + chunk).rpartition(b"\n")
        if not newline and len(rest) > MAX_LINE_BYTES:
            complete, newline, rest = rest, b"\n", b""
        self._partial = rest
        if not newline:
            return
        shown = []
        for line in complete.decode(errors="replace").split("\n"):
            if screen.log_format == "json":
                shown.append(for_machines(self._name, line))
            elif text := for_people(self._name, line):
                hold = self._held is not None and not line.startswith("{")
                into = self._held if self._held is not None and hold else shown
                into.append(text)
        del (self._held or [])[MAX_HELD_LINES:]
        screen.stream.write("".join(shown).encode())
        screen.stream.flush()
