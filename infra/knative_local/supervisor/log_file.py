"""What a component prints: kept in a file, and shown with the component's name before each line."""

import sys
from pathlib import Path
from typing import BinaryIO

# A file grows to this and is then renamed to NAME.log.1, so that a component keeps at most twice
# as much on disk.
MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 4096  # of the end of what was printed, to say why a component failed
MAX_LINE_BYTES = 64 * 1024  # a longer line is shown in pieces, so that none is held without bound


class Output:
    """The sink of one component's standard output and error."""

    def __init__(self, name: str, log_path: Path, *, screen: BinaryIO | None) -> None:
        """Append to `log_path`; show lines on `screen` too unless it is None."""
        self._prefix = f"{name} | ".encode()
        self._path = log_path
        self._screen = screen
        self._partial = b""
        self._tail = b""
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._file = log_path.open("ab", buffering=0)

    def write(self, chunk: bytes) -> None:
        """Take what the component printed: one write per destination, however many lines."""
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        if self._file.tell() > MAX_LOG_BYTES:
            self._rotate()
        self._file.write(chunk)
        if self._screen is not None:
            self._show(chunk)

    def restart(self) -> None:
        """Forget what a former process printed, except in the file."""
        self._tail = b""

    def printed(self, text: bytes) -> bool:
        """Whether this is in the last 4 KiB since `restart`."""
        return text in self._tail

    def last_line(self) -> str:
        """Return the last line that is not blank: usually the error that ended the component."""
        lines = self._tail.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Show an unfinished line and close the file."""
        if self._partial:
            self._show(b"\n")
        self._file.close()

    def _show(self, chunk: bytes) -> None:
        assert self._screen is not None
        complete, newline, rest = (self._partial + chunk).rpartition(b"\n")
        if not newline and len(rest) > MAX_LINE_BYTES:
            complete, newline, rest = rest, b"\n", b""
        self._partial = rest
        if newline:
            lines = complete.replace(b"\n", b"\n" + self._prefix)
            self._screen.write(self._prefix + lines + b"\n")
            self._screen.flush()

    def _rotate(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._file = self._path.open("ab", buffering=0)


def screen() -> BinaryIO:
    """Return the terminal, or whatever standard output is, for whole lines of bytes."""
    return sys.stdout.buffer
