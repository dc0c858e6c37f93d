"""PostgreSQL servers that outlived whoever started them."""

import os
import subprocess
import time
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT

STOP_TIMEOUT_S = 10.0  # per signal: fast shutdown, immediate shutdown, then SIGKILL
POLL_INTERVAL_S = 0.02
PROC = Path("/proc")


def end_orphan(data_dir: Path) -> None:
    """End the server that still serves `data_dir`, if one does, and clear a stale pid file.

    Only the process named in the folder's postmaster.pid is touched, and only while its command
    line says that it is a `postgres` of this folder: a pid may have been given to another.
    """
    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not _serves(pid, data_dir):
        # PostgreSQL itself refuses to start while any process has the recorded pid.
        pid_file.unlink(missing_ok=True)
        return
    for signal in (SIGINT, SIGQUIT, SIGKILL):
        if _ended_by(signal, pid, data_dir):
            return


def _serves(pid: int, data_dir: Path) -> bool:
    arguments = _command_line(pid)
    if not arguments or Path(arguments[0]).name != "postgres" or "-D" not in arguments[:-1]:
        return False
    return Path(arguments[arguments.index("-D") + 1]).resolve() == data_dir.resolve()


def _command_line(pid: int) -> list[str]:
    if PROC.is_dir():
        try:
            return (PROC / str(pid) / "cmdline").read_text().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    ps = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603


def _ended_by(signal: int, pid: int, data_dir: Path) -> bool:
    os.kill(pid, signal)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _serves(pid, data_dir):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True
