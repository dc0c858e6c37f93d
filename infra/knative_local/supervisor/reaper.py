"""Ends the supervisor's children when the supervisor itself is killed.

This file is also a program of its own, fed through its standard input: `+GROUP SIGNAL` adds a
process group and how to ask it to stop, `-GROUP` removes it. When the input ends, however that
came about, the groups still there are asked to stop and, after a grace, killed. It needs nothing
but POSIX: the kernel's parent-death signal reaches only direct children, and only on Linux.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE_S = 3.0  # long enough for PostgreSQL's fast shutdown; longer would hold up the next start
POLL_INTERVAL_S = 0.02
STOP_TIMEOUT_S = 10.0  # for the program to end: its grace, and what a busy machine needs


class Reaper:
    """A reaper process and what it was told; it holds the descriptors `held` while it lives."""

    def __init__(self, held: tuple[int, ...] = ()) -> None:
        self._held = held
        self._groups: dict[int, int] = {}
        self._process = self._spawn()

    def watch(self, group: int, stop_signal: signal.Signals) -> None:
        """Have this process group stopped, first by `stop_signal`, if the supervisor dies."""
        self._groups[group] = int(stop_signal)
        self._tell(f"+{group} {int(stop_signal)}\n")

    def release(self, group: int) -> None:
        """Forget a process group that has ended."""
        if self._groups.pop(group, None) is not None:
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the reaper, and with it every group that is still watched."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(STOP_TIMEOUT_S)

    def _spawn(self) -> subprocess.Popen[str]:
        # A session of its own: what a terminal or a `kill -- -GROUP` does to the supervisor
        # does not reach it. Isolated and without site-packages it starts in milliseconds.
        return subprocess.Popen(  # noqa: S603 - a program of our own
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
            pass_fds=self._held,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:  # the reaper was killed: another takes over where it was
            self._process.wait()
            self._process = self._spawn()
            for group, stop_signal in self._groups.items():
                self._tell(f"+{group} {stop_signal}\n")


def main() -> None:
    """Follow the supervisor until it is gone, then end what it left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        group, _, stop_signal = line[1:].partition(" ")
        if line.startswith("+"):
            groups[int(group)] = int(stop_signal)
        else:
            groups.pop(int(group), None)
    for group, number in groups.items():
        _signal(group, number)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(_signal(group, 0) for group in groups):
        time.sleep(POLL_INTERVAL_S)
    for group in groups:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
