"""PostgreSQL servers that outlived whoever started them, and what outlived a server."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT

from orderflow_cli.postgres.privileges import OWN_FOLDER

STOP_TIMEOUT_S = 10.0  # per signal: fast shutdown, immediate shutdown, then SIGKILL
BACKENDS_TIMEOUT_S = 1.0  # an idle backend sees at once that its server is gone, a busy one never
POLL_INTERVAL_S = 0.02
PROC = Path("/proc")


def end_orphan(data_dir: Path) -> None:
    """End the server that still serves `data_dir`, with all of its backends, if one does.

    Only the process named in the folder's postmaster.pid is touched, and only while its command
    line says that it is a `postgres` of this folder (a pid may have been given to another), and
    those attached to the shared memory named there: each backend is a process group of its own,
    and the next server refuses to start beside one ("pre-existing shared memory block").
    """
    pid_file = data_dir / "postmaster.pid"
    try:
        lines = pid_file.read_text().split("\n")
        pid = int(lines[0])
    except (FileNotFoundError, ValueError):
        return
    for signal in (SIGINT, SIGQUIT, SIGKILL):
        if _serves(pid, data_dir):
            _kill(pid, signal)
            _wait(lambda: not _serves(pid, data_dir), STOP_TIMEOUT_S)
    if len(lines) > 6 and (memory := re.fullmatch(r" *\d+ +(\d+) *", lines[6])):
        _wait(lambda: not _attached(memory[1]), BACKENDS_TIMEOUT_S)
        for backend in _attached(memory[1]):
            _kill(backend, SIGKILL)
        _wait(lambda: not _attached(memory[1]), STOP_TIMEOUT_S)
    # PostgreSQL itself refuses to start while any process has a pid recorded here.
    for recorded in (pid_file, *data_dir.glob(".s.PGSQL.*.lock")):
        recorded.unlink(missing_ok=True)


def _serves(pid: int, data_dir: Path) -> bool:
    arguments = _command_line(pid)
    if not arguments or Path(arguments[0]).name != "postgres" or "-D" not in arguments[:-1]:
        return False
    folder = arguments[arguments.index("-D") + 1]
    # A server is told of the folder it was started in as its own process sees it, if by root.
    served = PROC / str(pid) / "cwd" if folder == OWN_FOLDER else Path(folder)
    return served.resolve() == data_dir.resolve()


def _command_line(pid: int) -> list[str]:
    if PROC.is_dir():
        try:
            return (PROC / str(pid) / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    ps = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603


def _attached(memory_id: str) -> list[int]:
    """The processes attached to a System V shared memory segment; known on Linux only."""
    found = []
    for maps in PROC.glob("[0-9]*/maps"):
        with suppress(OSError):  # it has just ended, or is another user's
            if re.search(rf" {memory_id} +/SYSV", maps.read_text(errors="replace")):
                found.append(int(maps.parent.name))
    return found


def _kill(pid: int, signal: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal)


def _wait(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_INTERVAL_S)
