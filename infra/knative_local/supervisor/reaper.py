"""Ends the supervisor's children when the supervisor itself is killed.

A program of its own, fed through its standard input: `+GROUP SIGNAL` adds a process group and how
to ask it to stop, `-GROUP` removes it. When the input ends, however that came about, the groups
still there are asked to stop and, after a grace, killed. It needs nothing but POSIX: the kernel's
parent-death signal reaches only direct children, and only on Linux.
"""

import os
import signal
import sys
import time

GRACE_S = 3.0  # long enough for PostgreSQL's fast shutdown; longer would hold up the next start
POLL_INTERVAL_S = 0.02


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
    end(groups)


def end(groups: dict[int, int]) -> None:
    """Stop every group with its own signal, then kill what is left of all of them."""
    for group, stop_signal in groups.items():
        _signal(group, stop_signal)
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
