"""Which offset may be committed: the end of the run of finished records, without a hole."""

from collections import deque


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
        waiting, finished = self._open, self._finished
        if offset != waiting[0]:
            finished.add(offset)
            return
        waiting.popleft()
        while waiting and waiting[0] in finished:
            finished.remove(waiting.popleft())

    @property
    def committable(self) -> int | None:
        """The offset to commit: the next one to deliver after a restart; None before any."""
        try:
            return self._open[0]
        except IndexError:  # also when another thread finishes the last one meanwhile
            return self._next
