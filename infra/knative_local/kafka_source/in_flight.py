"""What is in flight: records handed to the sink, ordered by partition or all at once.

The rules are those of eventing-kafka-broker's OrderedConsumerVerticle and
UnorderedConsumerVerticle. All of it runs in the event loop's thread.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from knative_local.cloudevents.event import Event
from knative_local.kafka_source.offsets import OffsetTracker

POLL_RECORDS = 50  # max.poll.records of Knative's source data plane


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Item(NamedTuple):
    """A record's place and its event; None is a record that Knative discards unsent."""

    partition: Partition
    offset: int
    event: Event | None


Deliver = Callable[[Event], Awaitable[None]]


class Lane:
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

    def __init__(self, deliver: Deliver, changed: Callable[[], None] = lambda: None) -> None:
        self.lanes: dict[Partition, Lane] = {}
        self._deliver = deliver
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopped = False

    @property
    @abstractmethod
    def wants_records(self) -> bool:
        """Whether the rule of the ordering allows another poll now."""

    @property
    @abstractmethod
    def paused(self) -> frozenset[Partition]:
        """Partitions that the next poll must leave out."""

    @abstractmethod
    def _start(self, lane: Lane, offset: int, event: Event) -> None: ...

    def accept(self, items: Iterable[Item]) -> None:
        """Take the records of one poll, in order."""
        for item in items:
            lane = self._lane(item)
            if item.event is None:
                lane.tracker.finish(item.offset)
            else:
                self._start(lane, item.offset, item.event)

    def _lane(self, item: Item) -> Lane:
        lane = self.lanes.get(item.partition)
        if lane is not None and lane.tracker.receive(item.offset):
            return lane
        # The first record of a partition; or one that goes back, after the topic was made anew.
        self.drop([item.partition])
        lane = self.lanes[item.partition] = Lane(item.offset)
        lane.tracker.receive(item.offset)
        return lane

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions: what is queued is dropped, what is in flight no longer counts."""
        for partition in partitions:
            lane = self.lanes.pop(partition, None)
            if lane is not None:
                lane.dropped = True
                lane.queue.clear()

    def advanced(self) -> dict[Partition, int]:
        """Offsets to commit, of those partitions where they moved since the last commit."""
        offsets = (
            (partition, lane, lane.tracker.committable) for partition, lane in self.lanes.items()
        )
        return {
            partition: offset
            for partition, lane, offset in offsets
            if offset is not None and offset != lane.committed
        }

    def committed(self, partition: Partition, offset: int) -> None:
        """Note that the group holds this offset."""
        if lane := self.lanes.get(partition):
            lane.committed = offset

    async def finish(self, within_s: float) -> bool:
        """Start nothing more and wait for what is in flight; False if it took too long."""
        self.stopped = True
        if not self._tasks:
            return True
        _, left = await asyncio.wait(self._tasks, timeout=within_s)
        for task in left:
            task.cancel()
        return not left

    def _spawn(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
