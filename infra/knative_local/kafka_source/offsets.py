"""Which offset may be committed: the end of the run of finished records, without a hole."""

from collections import deque
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


Offsets = dict[Partition, int]


class OffsetTracker:
    """Follows one partition, as eventing-kafka-broker's OffsetManager does.

    Offsets are received in rising order and finished in any. Offsets that never arrive
    (compaction, aborted transactions, control records) count as finished. Memory is bounded by
    the records between the oldest unfinished one and the newest.
    """

    __slots__ = ("_finished", "_next", "_open")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self._next: int | None = None

    def receive(self, offset: int) -> bool:
        """Note a record about to be delivered; False if it was received before."""
        if self._next is not None and offset < self._next:
            return False
        self._open.append(offset)
        self._next = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """Note that a received record needs no further delivery."""
        self._finished.add(offset)
        while self._open and self._open[0] in self._finished:
            self._finished.remove(self._open.popleft())

    @property
    def committable(self) -> int | None:
        """The offset to commit: the next one to deliver after a restart; None before any."""
        return self._open[0] if self._open else self._next
