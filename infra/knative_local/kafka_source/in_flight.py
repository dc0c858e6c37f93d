"""What is in flight: records handed to the sink, ordered by partition or all at once.

The rules are those of eventing-kafka-broker's OrderedConsumerVerticle and
UnorderedConsumerVerticle. All of it runs in the event loop's thread.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from knative_local.cloudevents.event import Event
from knative_local.kafka_source.offsets import Offsets, OffsetTracker, Partition

POLL_RECORDS = 50  # max.poll.records of Knative's source data plane


class Item(NamedTuple):
    """A record's place and its event; None is a record that Knative discards unsent."""

    partition: Partition
    offset: int
    event: Event | None


class PartitionState:
    """One assigned partition: its offsets, and in ordered work its queue."""

    __slots__ = ("committed", "dropped", "queue", "running", "tracker")

    def __init__(self, first_offset: int) -> None:
        self.tracker = OffsetTracker()
        self.committed = first_offset  # the group needs no commit before anything is finished
        self.queue: deque[tuple[int, Event]] = deque()
        self.running = False
        self.dropped = False


class Work:
    """Records under way: each at once, or `ordered`, one of a partition after the other.

    Partitions do not wait for each other. `changed` is called whenever more might be polled.
    """

    def __init__(
        self,
        deliver: Callable[[Event], Awaitable[None]],
        changed: Callable[[], None] = lambda: None,
        *,
        ordered: bool,
    ) -> None:
        self.partitions: dict[Partition, PartitionState] = {}
        self.stopped = False
        self._deliver, self._changed, self._ordered = deliver, changed, ordered
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def in_flight(self) -> int:
        """How many events are under way."""
        return len(self._tasks)

    @property
    def wants_records(self) -> bool:
        """Whether another poll may be made now.

        Ordered: a partition has nothing queued (its last record may still be in flight). Else:
        fewer than one poll's records are in flight, so that there are at most 99.
        """
        if self.stopped or not self._ordered:
            return not self.stopped and len(self._tasks) < POLL_RECORDS
        states = self.partitions.values()
        return not states or any(not state.queue for state in states)

    @property
    def paused(self) -> frozenset[Partition]:
        """Partitions that the next poll must leave out: those with records queued."""
        return frozenset(name for name, state in self.partitions.items() if state.queue)

    def accept(self, items: Iterable[Item]) -> None:
        """Take the records of one poll, in order."""
        for partition, offset, event in items:
            state = self.partitions.get(partition)
            if state is None or not state.tracker.receive(offset):
                # The first record; or one that goes back, after the topic was made anew.
                self.drop([partition])
                state = self.partitions[partition] = PartitionState(offset)
                state.tracker.receive(offset)
            if event is None:
                state.tracker.finish(offset)
            else:
                self._start(state, offset, event)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions: what is queued is dropped, what is in flight no longer counts."""
        for partition in partitions:
            if state := self.partitions.pop(partition, None):
                state.dropped = True
                state.queue.clear()

    def advanced(self) -> Offsets:
        """Offsets to commit, of those partitions where they moved since the last commit."""
        offsets = {}
        for partition, state in self.partitions.items():
            offset = state.tracker.committable
            if offset is not None and offset != state.committed:
                offsets[partition] = offset
        return offsets

    def done_up_to(self, partition: Partition) -> int | None:
        """Return the first offset that is not done with; None before the first record."""
        state = self.partitions.get(partition)
        return None if state is None else state.tracker.committable

    def committed(self, partition: Partition, offset: int) -> None:
        """Note that the group holds this offset."""
        if state := self.partitions.get(partition):
            state.committed = offset

    async def finish(self, within_s: float) -> bool:
        """Start nothing more and wait for what is in flight; False if it took too long."""
        self.stopped = True
        if not self._tasks:
            return True
        _, left = await asyncio.wait(self._tasks, timeout=within_s)
        for task in left:
            task.cancel()
        return not left

    def _start(self, state: PartitionState, offset: int, event: Event) -> None:
        if not self._ordered:
            self._spawn(self._work_off(state, deque([(offset, event)])))
            return
        state.queue.append((offset, event))
        if not state.running:
            state.running = True
            self._spawn(self._work_off(state, state.queue))

    async def _work_off(self, state: PartitionState, queue: deque[tuple[int, Event]]) -> None:
        while queue and not self.stopped:
            offset, event = queue.popleft()
            await self._deliver(event)
            if not state.dropped:
                state.tracker.finish(offset)
        state.running = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()
