"""Where the workers of a function leave their numbers, so that a scrape of one has those of all.

A scrape reaches one worker, whichever is free. functions-framework loads a function before it forks
its workers, so all of them have the same open file, made then and without a name: there is nothing
to clean up. Each holds a lock on a place in it for as long as it lives. A worker that replaces one
that died takes its place, and goes on from its numbers: what has been counted stays counted.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import orjson

from orderflow.metrics.process import Metrics
from orderflow.metrics.series import Labels, Numbers

PLACES = 64  # workers of one function: several for each core of a large machine
AREA_BYTES = 256 * 1024  # of JSON: more than MAX_SERIES of every family take
HEADER_BYTES = 16
PLACE_BYTES = HEADER_BYTES + 2 * AREA_BYTES


class Snapshot(NamedTuple):
    """The numbers of a process: what only grows, what was so, and which process it is."""

    pid: int
    grown: dict[str, Numbers]
    gauges: dict[str, Numbers]

    @classmethod
    def of(cls, metrics: Metrics) -> "Snapshot":
        """Return those of this process."""
        grown = {name: family.numbers for name, family in metrics.families.items()}
        return cls(os.getpid(), grown, {n: gauge.read() for n, gauge in metrics.gauges.items()})

    def to_json(self) -> bytes:
        """Return it as it is left for others."""
        told = ({n: list(f.items()) for n, f in part.items()} for part in self[1:])
        return orjson.dumps([self.pid, *told])

    @classmethod
    def from_json(cls, text: bytes) -> "Snapshot":
        """Return what another process left."""
        pid, *parts = orjson.loads(text)
        return cls(pid, *({n: _numbers(rows) for n, rows in part.items()} for part in parts))


def _numbers(rows: list[tuple[list[str], list[float]]]) -> Numbers:
    found: dict[Labels, list[float]] = {tuple(values): numbers for values, numbers in rows}
    return found


class Places:
    """The file. It is made before the workers are, and used by each on its own."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._mine: int | None = None
        self._written = 0

    def close(self) -> None:
        """Give up the file, and the place with it."""
        self._file.close()

    def take(self) -> Snapshot | None:
        """Take a place for as long as this process lives; return what its last holder left."""
        for place in range(PLACES):
            if self._lock(place):
                self._mine = place
                left = self._read(place)
                return left and left._replace(gauges={})
        return None

    def leave(self, numbers: Snapshot) -> None:
        """Leave the numbers of this process for the others, if it has a place."""
        text = numbers.to_json()
        if self._mine is None or len(text) > AREA_BYTES:
            return
        # In turn in one of two areas: whoever reads the other has a second to do it.
        area = self._written % 2
        start = self._mine * PLACE_BYTES
        os.pwrite(self._file.fileno(), text, start + HEADER_BYTES + area * AREA_BYTES)
        header = area.to_bytes(HEADER_BYTES // 2) + len(text).to_bytes(HEADER_BYTES // 2)
        os.pwrite(self._file.fileno(), header, start)
        self._written += 1

    def others(self) -> Iterator[Snapshot]:
        """Give what other processes left; of one that has ended no more than what only grows."""
        for place in range(PLACES):
            if place == self._mine or (left := self._read(place)) is None:
                continue
            if self._lock(place):
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place * PLACE_BYTES)
                left = left._replace(gauges={}, pid=0)
            yield left

    def _lock(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place * PLACE_BYTES)
        except OSError:
            return False
        return True

    def _read(self, place: int) -> Snapshot | None:
        start = place * PLACE_BYTES
        header = os.pread(self._file.fileno(), HEADER_BYTES, start)
        area, size = (int.from_bytes(part) for part in (header[:8], header[8:]))
        if not size:
            return None
        at = start + HEADER_BYTES + area * AREA_BYTES
        return Snapshot.from_json(os.pread(self._file.fileno(), size, at))


@cache
def places() -> Places:
    """Return the places of this function's workers; to be asked for before they are forked."""
    return Places()
