"""The two orderings of a KafkaSource, as rules for what is in flight at once.

They are those of eventing-kafka-broker's UnorderedConsumerVerticle and OrderedConsumerVerticle.
"""

import asyncio

from knative_local.cloudevents.event import Event
from knative_local.kafka_source.in_flight import POLL_RECORDS, Lane, Partition, Work


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

    def _start(self, lane: Lane, offset: int, event: Event) -> None:
        self._spawn(asyncio.create_task(self._run(lane, offset, event)))

    async def _run(self, lane: Lane, offset: int, event: Event) -> None:
        await self._deliver(event)
        lane.tracker.finish(offset)

    def _spawn(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed()


class OrderedWork(Work):
    """One queue and one record in flight a partition; partitions do not wait for each other."""

    @property
    def wants_records(self) -> bool:
        """A partition has nothing queued (its last record may still be in flight)."""
        lanes = self.lanes.values()
        return not self.stopped and (not lanes or any(not lane.queue for lane in lanes))

    @property
    def paused(self) -> frozenset[Partition]:
        """Those that still have records queued."""
        return frozenset(partition for partition, lane in self.lanes.items() if lane.queue)

    def _start(self, lane: Lane, offset: int, event: Event) -> None:
        lane.queue.append((offset, event))
        if not lane.running:
            lane.running = True
            self._spawn(asyncio.create_task(self._drain(lane)))

    async def _drain(self, lane: Lane) -> None:
        while lane.queue and not self.stopped:
            offset, event = lane.queue.popleft()
            await self._deliver(event)
            if not lane.dropped:
                lane.tracker.finish(offset)
        lane.running = False
