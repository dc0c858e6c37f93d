"""The way to Kafka: events are committed with the state they tell of, then published.

Whoever committed an event publishes it and deletes its row once the broker has acknowledged;
`relay_once` does the same for what is left. Only this module writes to Kafka.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import orjson
from cloudevents.kafka import KafkaMessage
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orderflow.database.connection import Connection, statement
from orderflow.database.event import Event
from orderflow.database.worker import Worker
from orderflow.errors import OrderFlowError
from orderflow.events.messages import to_kafka
from orderflow.events.partitions import BY_KEY, Partitions
from orderflow.logs import logger
from orderflow.metrics.process import metrics
from orderflow.tracing.spans import begin_send, end_send

if TYPE_CHECKING:
    from opentelemetry.trace import Span

DELETE_PUBLISHED = statement(__file__, "delete_published.sql")
CLAIM_UNPUBLISHED = statement(__file__, "claim_unpublished.sql")

ACKNOWLEDGED_WITHIN_S = 2.0  # after this the caller is told "queued"
POLL_S = 0.1  # how long the reports thread outlives its event loop
MAX_UNSENT = 10_000  # messages held while the broker is away; beyond it the relay has them
MAX_ACKED = 10_000  # ids held while the database is away; beyond it they are published twice
DELETE_AFTER_S = 0.1  # one deletion for what is acknowledged in this time
FLUSH_TICK_S = 0.01  # how often a process that leaves looks whether it may
GATHER_REPORTS_S = 0.0003  # waking the event loop once for many reports leaves it to its callers
SPREAD_BY_BATCH = "orders"  # one event an order: there is no order of events to keep
RELAY_BATCH = 500  # events a claim, so that publishing one ends well within the claim's 15 s

_PRODUCER = {
    # Not idempotent: a second copy of an event does no harm, but after a broker lost its memory new
    # events were acknowledged and never seen on the topic; probably it gives out producer ids anew
    # and takes them for copies. One request at a time keeps the order of a key's events without it,
    # but for a crash of the broker: what was on its way then may come after its successors.
    "enable.idempotence": False,
    "max.in.flight.requests.per.connection": 1,
    "acks": "all",
    "linger.ms": 0,  # group commit has gathered already
    "message.max.bytes": 2_000_000,  # no less than a dead letter; the broker has its own limit
    "message.timeout.ms": 5_000,  # the relay tries again; a stale queue would only send twice
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,  # a broker that is back is found within a second
    "topic.metadata.refresh.interval.ms": 10_000,
    "queue.buffering.max.messages": MAX_UNSENT,
    "log_level": 2,  # librdkafka repeats "connection refused" every second otherwise
}

REFUSALS = (KafkaError._AUTHENTICATION, KafkaError._SSL)

Report = asyncio.Future[KafkaError | None]
"""Why Kafka does not have a message, or None: it has it."""
Reported = Callable[[KafkaError | None], object]
Waiting = list[asyncio.Future[bool]]


class Outbox:
    """Publishes events of committed transactions and deletes those that Kafka has."""

    def __init__(
        self,
        servers: str,
        worker: Worker,
        *,
        security: Mapping[str, str] | None = None,
        delete_after_s: float = DELETE_AFTER_S,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._delete_after_s = delete_after_s
        told = {"bootstrap.servers": servers, **(security or {}), "error_cb": self._log_refusal}
        self._producer = Producer(_PRODUCER | told)
        self._refusal: int | None = None
        self._reports: list[tuple[Reported, KafkaError | None]] = []
        # Who waits for each event that is on its way; None once they were told that it takes long.
        self._in_flight: dict[str, Waiting | None] = {}
        self._acked: dict[str, int] = {}  # the last copy of each event that Kafka has
        self._deleting: asyncio.Task[None] | None = None
        self._partitions = Partitions()  # of SPREAD_BY_BATCH
        self._broker_away = False
        metrics().in_flight.ask[()] = lambda: len(self._in_flight)
        threading.Thread(target=self._poll, name="kafka-reports", daemon=True).start()

    def publish(self, events: Sequence[Event]) -> None:
        """Send events, in their order; what can't be sent stays in the table for the relay."""
        waiting = {event.id: self._in_flight.setdefault(event.id, []) for event in events}
        began_s = monotonic()
        of_batch = self._partitions.of_next_batch()
        for event in events:
            topic = event.aggregatetype
            span = begin_send(topic, event.id, event.traceparent)
            reported = partial(self._reported, event, span, began_s)
            partition = of_batch if topic == SPREAD_BY_BATCH else BY_KEY
            self._produce(topic, to_kafka(event), reported, partition)
        if events:
            self._loop.call_later(ACKNOWLEDGED_WITHIN_S, self._give_up, waiting)

    def send(self, topic: str, message: KafkaMessage) -> Report:
        """Send a message; the future has its report soon after `message.timeout.ms` at the latest.

        What is in no outbox is the caller's business to send again.
        """
        report: Report = self._loop.create_future()
        self._produce(topic, message, report.set_result)
        return report

    def _produce(
        self, topic: str, message: KafkaMessage, reported: Reported, partition: int = BY_KEY
    ) -> None:
        try:
            self._producer.produce(
                topic,
                partition=partition,
                value=message.value,
                key=message.key,
                headers=list(message.headers.items()),
                on_delivery=partial(self._report, reported),
            )
        except KafkaException as error:
            reported(error.args[0])
        except BufferError:
            reported(KafkaError(KafkaError._QUEUE_FULL))

    def _report(self, reported: Reported, error: KafkaError | None, sent: Message) -> None:
        # In the reports thread.
        if error is None and sent.topic() == SPREAD_BY_BATCH:
            self._partitions.saw(sent.partition())
        self._reports.append((reported, error))

    async def acknowledged(self, event_id: str | None) -> bool:
        """Whether Kafka has an event that this process published, if it says so within 2 s.

        No event (None) is one that is in the outbox no more. While the broker is known to be away
        the answer is no at once. Either way the event goes on being sent.
        """
        if event_id is None:
            return True
        waiting = self._in_flight.get(event_id)
        if waiting is None or self._broker_away:
            return event_id in self._acked
        answer: asyncio.Future[bool] = self._loop.create_future()
        waiting.append(answer)
        return await answer

    async def relay_once(self) -> tuple[int, int]:
        """Publish one bounded batch of what is left; return how many, how many Kafka has."""
        events = await self._worker.submit(_claim_unpublished)
        self.publish(events)
        acknowledged = await asyncio.gather(*(self.acknowledged(event.id) for event in events))
        return len(events), sum(acknowledged)

    def _log_refusal(self, error: KafkaError) -> None:
        # Said once, until it works again: it is tried every second.
        if error.code() in REFUSALS and error.code() != self._refusal:
            self._refusal = error.code()
            logger().error("Kafka can't be talked to", why=error.str())

    async def flush(self) -> None:
        """Return once all is reported that was published, and what Kafka has is deleted here."""
        while self._in_flight or self._acked:  # noqa: ASYNC110 (only at the end)
            await asyncio.sleep(FLUSH_TICK_S)

    def _poll(self) -> None:
        # In the reports thread: what is gathered is handed over once a poll.
        while not self._loop.is_closed():
            self._producer.poll(POLL_S)
            if self._reports:
                time.sleep(GATHER_REPORTS_S)
                self._producer.poll(0)
                reports, self._reports = self._reports, []
                try:
                    self._loop.call_soon_threadsafe(self._resolve, reports)
                except RuntimeError:  # the loop closed meanwhile: the rest is the relay's
                    return

    def _resolve(self, reports: Sequence[tuple[Reported, KafkaError | None]]) -> None:
        for reported, error in reports:
            reported(error)
            self._refusal = None if error is None else self._refusal

    def _give_up(self, waiting: Mapping[str, Waiting | None]) -> None:
        for event_id, own in waiting.items():
            # An event that was acknowledged and is on its way again has time of its own.
            if own is not None and self._in_flight.get(event_id) is own:
                self._broker_away = True
                self._answer(event_id, sent=False)
                self._in_flight[event_id] = None

    def _reported(
        self, event: Event, span: "Span | None", began_s: float, error: KafkaError | None
    ) -> None:
        outcome = "acknowledged" if error is None else "failed"
        metrics().acknowledgements.observe(monotonic() - began_s, outcome)
        self._published(event, span, error)

    def _published(self, event: Event, span: "Span | None", error: KafkaError | None) -> None:
        if span is not None:
            end_send(span, None if error is None else error.str())
        self._broker_away = error is not None
        self._answer(event.id, sent=error is None)
        self._in_flight.pop(event.id, None)
        if self._broker_away:
            self._partitions.forget()
        if self._broker_away or len(self._acked) >= MAX_ACKED:
            return
        self._acked[event.id] = event.copy
        if self._deleting is None or self._deleting.done():
            self._deleting = self._loop.create_task(self._delete())

    def _answer(self, event_id: str, *, sent: bool) -> None:
        for answer in self._in_flight.get(event_id) or ():
            if not answer.done():  # its caller may have left
                answer.set_result(sent)

    async def _delete(self) -> None:
        while self._acked:
            await asyncio.sleep(self._delete_after_s)
            sent = dict(self._acked)
            delete = partial(_delete_published, ids=list(sent), copies=list(sent.values()))
            try:
                await self._worker.submit(delete)
            except OrderFlowError as error:  # the rows stay: the relay publishes them once more
                logger().warning("published events not deleted", count=len(sent), why=error.detail)
            for event_id, copy in sent.items():
                if self._acked[event_id] == copy:
                    del self._acked[event_id]


def _delete_published(connection: Connection, ids: list[str], copies: list[int]) -> None:
    connection.run(DELETE_PUBLISHED, ids=ids, copies=copies)


def _claim_unpublished(connection: Connection) -> list[Event]:
    events = []
    for (text,) in connection.run(CLAIM_UNPUBLISHED, count=RELAY_BATCH):
        row = orjson.loads(text)
        row["payload"] = orjson.dumps(row["payload"]).decode()
        events.append(Event(**{name: row[name] for name in Event._fields}))
    return sorted(events, key=lambda event: (event.at, event.sequence))
