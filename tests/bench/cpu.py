"""CPU time of processes, where the kernel tells it: on Linux."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has made, and those that these have."""
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in map(int, tasks.read_text().split()):
                yield child
                yield from descendants(child)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU time of processes, with what children of theirs had that have ended."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS_PER_S
