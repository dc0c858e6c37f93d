"""What a component prints: kept in a file as it is, and shown a line at a time with its name."""

import re
import sys
from pathlib import Path
from typing import Literal

import orjson

from knative_local.printable import printable
from knative_local.private_files import append_private, private_folder

# A file grows to this and is then renamed to NAME.log.1, so that a component keeps at most twice
# as much on disk.
MAX_LOG_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 4096  # of the end of what was printed, to say why a component failed
MAX_LINE_BYTES = 64 * 1024  # a longer line is shown in pieces, so that none is held without bound
MAX_HELD_LINES = 1000  # printed before the component is ready

# What gunicorn and uvicorn say of themselves while they start and stop.
_SERVER_NOISE = re.compile(
    r"^(\[\d{4}-[^]]*\] \[\d+\] \[(INFO|DEBUG)\] "
    r"|INFO: +(Started|Waiting|Application|Uvicorn|Shutting|Finished))"
)
_FRAME = re.compile(r'^ *File "([^"]+)", line (\d+)', re.MULTILINE)
_NOT_OF_THE_USER = re.compile(r"^<|/site-packages/|/lib/python\d")
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b.*)$", re.M)
# Said by the place of the line and its name, by its other words, or of use to machines only.
_UNSAID = frozenset({"time", "timestamp", "level", "function", "trace_id"})
_TEXT = ("event", "message", "exception")

LogFormat = Literal["people", "json"]


class Output:
    """The sink of one component's standard output and error: a file, and standard output.

    Lines are appended to `log_path`, and shown for people or for machines, unless `show` is None.
    """

    def __init__(self, name: str, log_path: Path, *, show: LogFormat | None) -> None:
        self._name, self._path, self._format = name, log_path, show
        self._partial = self._tail = b""
        self._held: list[str] | None = None
        private_folder(log_path.parent)
        self._file = append_private(log_path)

    def write(self, chunk: bytes) -> None:
        """Take what the component printed: one write per destination, however many lines."""
        self._tail = (self._tail + chunk)[-TAIL_BYTES:]
        if self._file.tell() > MAX_LOG_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = append_private(self._path)
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
            shown = "".join(render(self._name, line) for line in lines)
            sys.stdout.buffer.write(shown.encode())
            sys.stdout.buffer.flush()


def for_people(name: str, line: str) -> str:
    """A short readable line after the component's name; empty for what only a server says."""
    if _SERVER_NOISE.match(line):
        return ""
    fields = _fields(line)
    lines = [line] if fields is None else _readable(fields)
    return "".join(f"{name} | {printable(shown)}\n" for shown in lines)


def for_machines(name: str, line: str) -> str:
    """A JSON object: the one that was printed, or the line as `line`, and the component."""
    fields = _fields(line)
    found = {"component": name, **({"line": line} if fields is None else fields)}
    return printable(orjson.dumps(found).decode()) + "\n"


def cause_of(text: str) -> str:
    """The last exception in what was printed and where it is, else the last line not blank."""
    exceptions = list(_EXCEPTION.finditer(text))
    if not exceptions:
        return text.strip().rpartition("\n")[2].strip()
    frames = _FRAME.findall(text[: exceptions[-1].start()])
    own = [frame for frame in frames if not _NOT_OF_THE_USER.search(frame[0])]
    place = "".join(f" ({file}:{line})" for file, line in (own or frames)[-1:])
    return exceptions[-1][1].strip() + place


def _fields(line: str) -> dict[str, object] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _readable(fields: dict[str, object]) -> list[str]:
    level = str(fields.get("level", "info"))
    words = [] if level in {"info", "debug"} else [level.upper()]
    rest = {name: value for name, value in fields.items() if name not in {*_UNSAID, *_TEXT}}
    if "method" in rest and "path" in rest:
        words += [str(rest.pop(name)) for name in ("method", "path", "status") if name in rest]
        duration_ms = rest.pop("duration_ms", None)
        words += [f"{duration_ms:.1f} ms"] if isinstance(duration_ms, int | float) else []
    else:
        words += [str(fields[name]) for name in _TEXT[:2] if name in fields]
    words += [f"{name}={value}" for name, value in rest.items()]
    return [" ".join(words), *str(fields.get("exception", "")).splitlines()]
