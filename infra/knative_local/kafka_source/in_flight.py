"""What is in flight: records handed to the sink, ordered by partition or all at once.

The rules are those of eventing-kafka-broker's OrderedConsumerVerticle and
UnorderedConsumerVerticle. All of it runs in the event loop's thread.
"""

import asyncio
from abc import ABC, abstractmethod
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


class Work(ABC):
    """Records under way. `changed` is called whenever more might be polled."""

    def __init__(
        self,
        deliver: Callable[[Event], Awaitable[None]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.partitions: dict[Partition, PartitionState] = {}
        self.stopped = False
        self._deliver, self._changed = deliver, changed
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    @abstractmethod
    def wants_records(self) -> bool:
        """Whether the rule of the ordering allows another poll now."""

    @property
    @abstractmethod
    def paused(self) -> frozenset[Partition]:
        """Partitions that the next poll must leave out."""

    @abstractmethod
    def _start(self, state: PartitionState, offset: int, event: Event) -> None: ...

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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()


class UnorderedWork(Work):
    """Every record at once; another poll while fewer than one poll's records are in flight."""

    @property
    def wants_records(self) -> bool:
        """At most 99 in flight follow from this."""
        return not self.stopped and len(self._tasks) < POLL_RECORDS

    @property
    def paused(self) -> frozenset[Partition]:
        """Nothing is ever paused."""
        return frozenset()

    def _start(self, state: PartitionState, offset: int, event: Event) -> None:
        self._spawn(self._run(state, offset, event))

    async def _run(self, state: PartitionState, offset: int, event: Event) -> None:
        await self._deliver(event)
        state.tracker.finish(offset)


class OrderedWork(Work):
    """One queue and one record in flight a partition; partitions do not wait for each other."""

    @property
    def wants_records(self) -> bool:
        """A partition has nothing queued (its last record may still be in flight)."""
        states = self.partitions.values()
        return not self.stopped and (not states or any(not state.queue for state in states))

    @property
    def paused(self) -> frozenset[Partition]:
        """Those that still have records queued."""
        return frozenset(name for name, state in self.partitions.items() if state.queue)

    def _start(self, state: PartitionState, offset: int, event: Event) -> None:
        state.queue.append((offset, event))
        if not state.running:
            state.running = True
            self._spawn(self._drain(state))

    async def _drain(self, state: PartitionState) -> None:
        while state.queue and not self.stopped:
            offset, event = state.queue.popleft()
            await self._deliver(event)
            if not state.dropped:
                state.tracker.finish(offset)
        state.running = False
