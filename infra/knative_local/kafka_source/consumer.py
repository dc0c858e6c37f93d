"""The Kafka consumer of one source, in a thread of its own, commanded by the event loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from knative_local.json_log import log
from knative_local.kafka_source.in_flight import POLL_RECORDS
from knative_local.kafka_source.initial_offset import pin_latest
from knative_local.kafka_source.log_truncation import LostLog
from knative_local.kafka_source.offsets import Offsets, Partition

REPLY_WITHIN_S = 5.0  # for the event loop to let go of revoked partitions
TOPIC_CHECK_S = 1.0  # between looks for topics that are missing


class Owner(Protocol):
    """What the reader tells; every method is called in the event loop's thread."""

    def on_batch(self, records: list[Message]) -> None: ...  # noqa: D102
    def on_assigned(self, partitions: list[Partition]) -> None: ...  # noqa: D102
    def on_revoked(self, partitions: list[Partition], lost: bool) -> Offsets: ...  # noqa: D102
    def on_committed(self, offsets: Offsets) -> None: ...  # noqa: D102
    def on_ends(self, ends: Offsets) -> None: ...  # noqa: D102
    def on_failed(self, reason: str) -> None: ...  # noqa: D102


class KafkaReader:
    """One group member. `poll`, `commit` and `close` return at once; the owner hears the rest."""

    def __init__(
        self,
        settings: dict[str, Any],
        topics: tuple[str, ...],
        owner: Owner,
        *,
        poll_s: float,
        latest: bool,
    ) -> None:
        self._settings, self._topics, self._owner = settings, list(topics), owner
        self._poll_s, self._latest = poll_s, latest
        self._loop = asyncio.get_running_loop()
        self._commands: queue.SimpleQueue[Callable[[Consumer], None] | None] = queue.SimpleQueue()
        self._paused: frozenset[Partition] = frozenset()
        self._lost_log = LostLog()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="kafka-reader", daemon=True)
        self._last_error = ""

    def start(self) -> None:
        """Join the group."""
        self._thread.start()

    def poll(self, paused: frozenset[Partition]) -> None:
        """Ask for one batch of at most POLL_RECORDS from all but the paused partitions."""
        self._commands.put(partial(self._poll, paused))

    def commit(self, offsets: Offsets) -> None:
        """Commit without waiting; `on_committed` tells what came of it."""
        self._commands.put(partial(self._commit, offsets, False))

    def look_at_ends(self) -> None:
        """Have `on_ends` told where the assigned partitions end, as of the last fetch."""
        self._commands.put(self._look_at_ends)

    async def close(self, offsets: Offsets, within_s: float) -> None:
        """Commit, leave the group and end the thread; gives up waiting after `within_s`."""
        self._closing.set()
        self._commands.put(partial(self._commit, offsets, True))
        self._commands.put(None)
        await asyncio.to_thread(self._thread.join, within_s)

    def _serve(self) -> None:
        try:
            callbacks = {"on_commit": self._on_commit, "error_cb": self._complain}
            consumer = Consumer({**self._settings, **callbacks})
            if self._latest:
                pin_latest(consumer, self._topics, self._closing, TOPIC_CHECK_S)
            consumer.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
            while command := self._commands.get():
                command(consumer)
            consumer.close()
        except Exception as error:
            # Whatever ends this thread must end the source: nothing would be delivered any more.
            self._tell(self._owner.on_failed, str(error))

    def _poll(self, paused: frozenset[Partition], consumer: Consumer) -> None:
        self._pause(consumer, paused)
        records: list[Message] = []
        waiting = True
        while not records and waiting:
            first = consumer.poll(self._poll_s)
            if first is not None:
                # What is there already, without waiting for a full batch.
                found = [first, *consumer.consume(POLL_RECORDS - 1, timeout=0)]
                records = [message for message in found if message.error() is None]
                for message in found:
                    self._complain(message.error())
            elif beyond := self._lost_log.beyond_end(consumer):
                # As if the partitions had been lost and come back: their offsets begin anew.
                self._ask_revoked(beyond, lost=True)
                for beginning in beyond:
                    consumer.seek(beginning)
                self._tell(self._owner.on_assigned, _partitions(beyond))
            # A paused partition may have to be resumed, so the event loop must have its say.
            waiting = self._commands.empty() and not paused
        self._tell(self._owner.on_batch, records)

    def _pause(self, consumer: Consumer, paused: frozenset[Partition]) -> None:
        if not (paused or self._paused):
            return
        assigned = set(_partitions(consumer.assignment()))
        stop, go = (paused - self._paused) & assigned, (self._paused - paused) & assigned
        if stop:
            consumer.pause([TopicPartition(*partition) for partition in stop])
        if go:
            consumer.resume([TopicPartition(*partition) for partition in go])
        self._paused = paused & assigned

    def _complain(self, error: KafkaError | None) -> None:
        if error is not None and str(error) != self._last_error:
            self._last_error = str(error)
            log("warning", "kafka.error", reason=self._last_error)

    def _commit(self, offsets: Offsets, wait: bool, consumer: Consumer) -> None:
        if not offsets:
            return
        positions = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            if wait:
                consumer.commit(offsets=positions, asynchronous=False)
            else:
                consumer.commit(offsets=positions, asynchronous=True)
        except KafkaException as error:
            log("warning", "offsets.commit_failed", reason=str(error))

    def _look_at_ends(self, consumer: Consumer) -> None:
        ends = {}
        for position in consumer.assignment():
            _, end = consumer.get_watermark_offsets(position, cached=True)
            if end >= 0:  # below: nothing was fetched yet
                ends[Partition(position.topic, position.partition)] = end
        self._tell(self._owner.on_ends, ends)

    def _on_commit(self, error: KafkaError | None, positions: list[TopicPartition]) -> None:
        taken = {Partition(p.topic, p.partition): p.offset for p in positions if not p.error}
        if error is not None:
            log("warning", "offsets.commit_failed", reason=str(error))
        elif taken:
            self._tell(self._owner.on_committed, taken)

    def _on_assign(self, _: Consumer, positions: list[TopicPartition]) -> None:
        self._paused, self._last_error = frozenset(), ""
        self._lost_log.assigned()
        self._tell(self._owner.on_assigned, _partitions(positions))

    def _on_revoke(self, consumer: Consumer, positions: list[TopicPartition]) -> None:
        self._commit(self._ask_revoked(positions, lost=False), True, consumer)

    def _on_lost(self, _: Consumer, positions: list[TopicPartition]) -> None:
        self._ask_revoked(positions, lost=True)

    def _ask_revoked(self, positions: list[TopicPartition], *, lost: bool) -> Offsets:
        if self._closing.is_set():
            return {}  # everything finished was committed, and the loop may wait for this thread

        async def ask() -> Offsets:
            return self._owner.on_revoked(_partitions(positions), lost)

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(REPLY_WITHIN_S)

    def _tell(self, listener: Callable[[Any], None], what: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(listener, what)


def _partitions(positions: list[TopicPartition]) -> list[Partition]:
    return [Partition(position.topic, position.partition) for position in positions]
