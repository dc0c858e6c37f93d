"""One KafkaSource at work: polls, delivers, commits, and stops without leaving work behind."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from confluent_kafka import Message

from knative_local.child import SOURCE_READY
from knative_local.cloudevents.event import Event
from knative_local.cloudevents.from_kafka import EventRule, KafkaRecord, NullHeaderError
from knative_local.delivery.sender import Dispatcher
from knative_local.errors import LocalRuntimeError
from knative_local.json_log import log
from knative_local.kafka_source.consumer import KafkaReader
from knative_local.kafka_source.in_flight import Item, Work
from knative_local.kafka_source.offsets import Offsets, Partition
from knative_local.manifests.sources import KafkaSource
from knative_local.metrics import forget_lag, set_lag, watch_in_flight

COMMIT_EVERY_S = 5.0  # auto.commit.interval.ms of Knative's source data plane
ORDERED_TICK_S = 0.2  # OrderedConsumerVerticle polls once a tick
ORDERED_POLL_S, UNORDERED_POLL_S = 1.0, 0.5  # how long a poll waits for a first record
STOP_WITHIN_S = 30.0  # Kubernetes' grace period: what is in flight after it is cut off
CLOSE_WITHIN_S = 5.0  # for the last commit and for leaving the group


class SourceDispatcher:
    """Consumes the topics of one source and posts every record, until `stop` is set."""

    def __init__(
        self, source: KafkaSource, dispatcher: Dispatcher, consumer_settings: dict[str, Any]
    ) -> None:
        self._source, self._dispatcher = source, dispatcher
        self._ordered = source.spec.ordering == "ordered"
        overrides = dict(source.spec.ce_overrides.extensions)
        self._rule = EventRule(source.namespace, source.name, source.key_type, overrides)
        self._work = Work(dispatcher.deliver, self._poll_again, ordered=self._ordered)
        watch_in_flight(source.name, lambda: self._work.in_flight)
        self._reader = KafkaReader(
            consumer_settings,
            source.spec.topics,
            self,
            poll_s=ORDERED_POLL_S if self._ordered else UNORDERED_POLL_S,
            latest=source.spec.initial_offset == "latest",
        )
        self._polling = self._ready = False
        self._failure = ""
        self._assigned: set[Partition] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in flight, commit and leave.

        Raises LocalRuntimeError, after the same end, when the Kafka consumer fails for good.
        """
        self._stop = stop
        self._reader.start()
        self._poll()
        ticks = [asyncio.create_task(self._commit_forever())]
        if self._ordered:
            ticks.append(asyncio.create_task(self._poll_forever()))
        await stop.wait()
        if not await self._work.finish(STOP_WITHIN_S):
            log("warning", "source.cut_off", source=self._source.name)
        for tick in ticks:
            tick.cancel()
        await self._reader.close(self._work.advanced(), CLOSE_WITHIN_S)
        self._dispatcher.close()
        if self._failure:
            raise LocalRuntimeError(f"KafkaSource {self._source.name}: {self._failure}")

    async def _poll_forever(self) -> None:
        while True:
            await asyncio.sleep(ORDERED_TICK_S)
            self._poll()

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            if offsets := self._work.advanced():
                self._reader.commit(offsets)
            self._reader.look_at_ends()

    def _poll_again(self) -> None:
        if not self._ordered:
            self._poll()

    def _poll(self) -> None:
        if not self._polling and self._work.wants_records:
            self._polling = True
            self._reader.poll(self._work.paused)

    def on_batch(self, records: list[Message]) -> None:
        """Hand the records of one poll to the work; after a stop they are left to a successor."""
        self._polling = False
        try:
            if not self._work.stopped:
                self._work.accept(self._items(records))
        except (
            Exception
        ) as error:  # a fault of ours: a source that polls no more must not look alive
            self.on_failed(repr(error))
        self._poll_again()

    def on_assigned(self, partitions: list[Partition]) -> None:
        """Take records of these partitions; tell the world, once, that events flow."""
        self._assigned.update(partitions)
        if partitions and not self._ready:
            self._ready = True
            announce_ready(self._source)

    def on_revoked(self, partitions: list[Partition], lost: bool) -> Offsets:
        """Let go of partitions; returns what is still to be committed of them."""
        offsets = {} if lost else self._work.advanced()
        self._work.drop(partitions)
        self._assigned.difference_update(partitions)
        for partition in partitions:
            forget_lag(self._source.name, *partition)
        return {partition: offsets[partition] for partition in partitions if partition in offsets}

    def on_committed(self, offsets: Offsets) -> None:
        """Remember what the group holds."""
        for partition, offset in offsets.items():
            self._work.committed(partition, offset)

    def on_ends(self, ends: Offsets) -> None:
        """Tell how many records are not done with yet."""
        for partition in ends.keys() & self._assigned:
            done = self._work.done_up_to(partition)
            behind = 0 if done is None else max(ends[partition] - done, 0)
            set_lag(self._source.name, *partition, behind)

    def on_failed(self, reason: str) -> None:
        """The reader has ended: so does the source."""
        self._failure = reason
        self._stop.set()

    def _items(self, records: list[Message]) -> list[Item]:
        items = []
        for record in cast("list[KafkaRecord]", records):
            partition, event = Partition(record.topic(), record.partition()), None
            # A record can be on its way to the event loop when its partition is revoked.
            if partition in self._assigned:
                with suppress(NullHeaderError):
                    event = self._rule.event(record)
                items.append(Item(partition, record.offset(), event))
        if all(item.event for item in items):
            return items
        return [item._replace(event=_unless_plain(item)) for item in items]


def _unless_plain(item: Item) -> Event | None:
    if item.event and not item.event.plain:
        return item.event
    reason = "a header without a value: Knative drops all plain records of the poll"
    log("error", "event.lost", reason=reason, **item.partition._asdict(), offset=item.offset)
    return None


def announce_ready(source: KafkaSource) -> None:
    """Say that events flow, for people and for who started this process."""
    log("info", SOURCE_READY, source=f"{source.namespace}/{source.name}")
