"""The Kafka consumer of one source, in a thread of its own, commanded by the event loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from knative_local.json_log import log
from knative_local.kafka_source.commands import Close, Commit, Offsets, Owner, Poll, partitions
from knative_local.kafka_source.in_flight import POLL_RECORDS, Partition
from knative_local.kafka_source.initial_offset import pin_latest
from knative_local.kafka_source.log_truncation import LostLog

REPLY_WITHIN_S = 5.0  # for the event loop to let go of revoked partitions
TOPIC_CHECK_S = 1.0  # between looks for topics that are missing


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
        self._commands: queue.SimpleQueue[Poll | Commit | Close] = queue.SimpleQueue()
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
        self._commands.put(Poll(paused))

    def commit(self, offsets: Offsets) -> None:
        """Commit without waiting; `on_committed` tells what came of it."""
        self._commands.put(Commit(offsets))

    async def close(self, offsets: Offsets, within_s: float) -> None:
        """Commit, leave the group and end the thread; gives up waiting after `within_s`."""
        self._closing.set()
        self._commands.put(Close(offsets))
        await asyncio.to_thread(self._thread.join, within_s)

    def _serve(self) -> None:
        try:
            self._run()
        except Exception as error:
            # Whatever ends this thread must end the source: nothing would be delivered any more.
            self._tell(self._owner.on_failed, str(error))

    def _run(self) -> None:
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
        while True:
            command = self._commands.get()
            if isinstance(command, Poll):
                self._serve_poll(consumer, command)
            elif isinstance(command, Commit):
                self._serve_commit(consumer, command.offsets, wait=False)
            else:
                self._serve_commit(consumer, command.offsets, wait=True)
                consumer.close()
                return

    def _serve_poll(self, consumer: Consumer, command: Poll) -> None:
        self._pause(consumer, command.paused)
        records: list[Message] = []
        waiting = True
        while not records and waiting:
            first = consumer.poll(self._poll_s)
            if first is not None:
                # What is there already, without waiting for a full batch.
                records = self._valid([first, *consumer.consume(POLL_RECORDS - 1, timeout=0)])
            elif beyond := self._lost_log.beyond_end(consumer):
                self._start_again(consumer, beyond)
            # A paused partition may have to be resumed, so the event loop must have its say.
            waiting = self._commands.empty() and not command.paused
        self._tell(self._owner.on_batch, records)

    def _start_again(self, consumer: Consumer, beginnings: list[TopicPartition]) -> None:
        # As if the partitions had been lost and come back, since their offsets begin anew.
        self._ask_revoked(beginnings, lost=True)
        for beginning in beginnings:
            consumer.seek(beginning)
        self._tell(self._owner.on_assigned, partitions(beginnings))

    def _pause(self, consumer: Consumer, paused: frozenset[Partition]) -> None:
        assigned = (
            {Partition(p.topic, p.partition) for p in consumer.assignment()}
            if paused or self._paused
            else set()
        )
        stop, go = (paused - self._paused) & assigned, (self._paused - paused) & assigned
        if stop:
            consumer.pause([TopicPartition(*partition) for partition in stop])
        if go:
            consumer.resume([TopicPartition(*partition) for partition in go])
        self._paused = paused & assigned

    def _valid(self, messages: list[Message]) -> list[Message]:
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            else:
                self._complain(error)
        return records

    def _complain(self, error: KafkaError) -> None:
        if (text := str(error)) != self._last_error:
            self._last_error = text
            log("warning", "kafka.error", reason=text)

    def _serve_commit(self, consumer: Consumer, offsets: Offsets, *, wait: bool) -> None:
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

    def _on_commit(self, error: KafkaError | None, positions: list[TopicPartition]) -> None:
        taken = {Partition(p.topic, p.partition): p.offset for p in positions if not p.error}
        if error is not None:
            log("warning", "offsets.commit_failed", reason=str(error))
        elif taken:
            self._tell(self._owner.on_committed, taken)

    def _on_assign(self, _: Consumer, positions: list[TopicPartition]) -> None:
        self._paused, self._last_error = frozenset(), ""
        self._lost_log.assigned()
        self._tell(self._owner.on_assigned, partitions(positions))

    def _on_revoke(self, consumer: Consumer, positions: list[TopicPartition]) -> None:
        self._serve_commit(consumer, self._ask_revoked(positions, lost=False), wait=True)

    def _on_lost(self, _: Consumer, positions: list[TopicPartition]) -> None:
        self._ask_revoked(positions, lost=True)

    def _ask_revoked(self, positions: list[TopicPartition], *, lost: bool) -> Offsets:
        if self._closing.is_set():
            return {}  # everything finished was committed, and the loop may wait for this thread
        asked = asyncio.run_coroutine_threadsafe(
            self._revoked(partitions(positions), lost), self._loop
        )
        return asked.result(REPLY_WITHIN_S)

    async def _revoked(self, partitions: list[Partition], lost: bool) -> Offsets:
        return self._owner.on_revoked(partitions, lost)

    def _tell(self, listener: Callable[[Any], None], what: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(listener, what)
