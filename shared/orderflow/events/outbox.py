"""The way to Kafka: events are committed with the state they tell of, then published.

The writer publishes after its commit and deletes the row once the broker has acknowledged;
`relay_once` does the same for what a writer could not. Only this module writes to Kafka.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import orjson
from cloudevents.kafka import KafkaMessage
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orderflow.config import settings
from orderflow.database.connection import Connection, statement
from orderflow.database.group_commit import worker
from orderflow.errors import OrderFlowError
from orderflow.events.models import Event, to_kafka
from orderflow.logs import logger
from orderflow.server.graceful_shutdown import before_leaving

_HERE = Path(__file__).parent
DELETE_PUBLISHED = statement(_HERE / "delete_published.sql")
CLAIM_UNPUBLISHED = statement(_HERE / "claim_unpublished.sql")

ACKNOWLEDGED_WITHIN_S = 2.0  # after this the caller is told "queued"
EXPIRY_TICK_S = 0.1
MAX_UNSENT = 10_000  # messages held while the broker is away; beyond it the relay has them
MAX_UNSETTLED = 10_000  # ids held while the database is away; beyond it they are sent twice
SETTLE_AFTER_S = 0.1  # one deletion for what is acknowledged in this time
SETTLED_TICK_S = 0.01  # how often a process that leaves looks whether it may
GATHER_REPORTS_S = 0.001  # waking the event loop once for many reports leaves it to its callers
RELAY_BATCH = 500  # events a claim, so that publishing one ends well within the claim's 15 s

_PRODUCER = {
    # Not idempotent: a second copy of an event does no harm, but after a broker lost its memory new
    # events were acknowledged and never seen on the topic; probably it gives out producer ids anew
    # and takes them for copies. One request at a time keeps the order of a key's events without it,
    # but for a crash of the broker: what was on its way then may come after its successors.
    "enable.idempotence": False,
    "max.in.flight.requests.per.connection": 1,
    "acks": "all",
    "linger.ms": 1,  # group commit has gathered already
    "message.max.bytes": 2_000_000,  # no less than a dead letter; the broker has its own limit
    "message.timeout.ms": 5_000,  # the relay tries again; a stale queue would only send twice
    "socket.keepalive.enable": True,
    "reconnect.backoff.max.ms": 1_000,  # a broker that is back is found within a second
    "topic.metadata.refresh.interval.ms": 10_000,
    "queue.buffering.max.messages": MAX_UNSENT,
    "log_level": 2,  # librdkafka repeats "connection refused" every second otherwise
}

Report = Callable[[KafkaError | None], None]


class Outbox:
    """Publishes events of committed transactions and forgets those that Kafka has."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._loop = asyncio.get_running_loop()
        self._producer = self._connect()
        self._reports: list[tuple[Report, KafkaError | None]] = []
        self._pending: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self._in_flight: dict[str, asyncio.Future[bool]] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._unreported = 0
        self._unsettled: dict[str, None] = {}
        self._settling: asyncio.Task[None] | None = None
        self._away = False
        threading.Thread(target=self._poll, name="kafka-reports", daemon=True).start()

    def publish(self, event: Event) -> "asyncio.Future[bool]":
        """Send the event; the future says whether the broker acknowledged within 2 s.

        While the broker is known to be away, the answer is no at once. Either way the event goes
        on being sent, and what can't be sent stays in the table for the relay.
        """
        future: asyncio.Future[bool] = self._loop.create_future()
        try:
            report = partial(self._published, event, future)
            self._produce(event.aggregatetype, to_kafka(event), report)
        except (BufferError, KafkaException):
            future.set_result(False)
            return future
        if self._away:
            return self._answered(False)
        self._in_flight[event.id] = future
        self._pending.append((self._loop.time() + ACKNOWLEDGED_WITHIN_S, future))
        if self._expiry is None:
            self._expiry = self._loop.call_later(EXPIRY_TICK_S, self._expire)
        return future

    def publish_all(self, events: Iterable[Event]) -> list["asyncio.Future[bool]"]:
        """Send the events in their order; see `publish`."""
        return [self.publish(event) for event in events]

    def send(self, topic: str, message: KafkaMessage) -> "asyncio.Future[KafkaError | None]":
        """Send what is in no outbox; the future says why Kafka does not have it, if it has not.

        It does so soon after `message.timeout.ms`. To send it again is the caller's business.
        """
        future: asyncio.Future[KafkaError | None] = self._loop.create_future()
        try:
            self._produce(topic, message, partial(_answer, future))
        except KafkaException as error:
            future.set_result(error.args[0])
        except BufferError:
            future.set_result(KafkaError(KafkaError._QUEUE_FULL))
        return future

    async def acknowledged(self, event_id: str) -> bool:
        """Whether this process knows, or learns in time, that Kafka has an event it published."""
        if event_id in self._in_flight:
            return await asyncio.shield(self._in_flight[event_id])
        return event_id in self._unsettled

    async def relay_once(self) -> tuple[int, int]:
        """Publish one bounded batch that its writers did not; return how many, how many sent."""
        rows = await worker().submit(_claim_unpublished)
        sent = await asyncio.gather(*self.publish_all(_event(row) for row in rows))
        return len(rows), sum(sent)

    async def settled(self) -> None:
        """Return once all is reported that was published, and what Kafka has is deleted here."""
        while self._unreported or self._unsettled:  # noqa: ASYNC110 (only at the end)
            await asyncio.sleep(SETTLED_TICK_S)

    def _answered(self, answer: bool) -> "asyncio.Future[bool]":
        future: asyncio.Future[bool] = self._loop.create_future()
        future.set_result(answer)
        return future

    def _connect(self) -> Producer:
        return Producer(_PRODUCER | {"bootstrap.servers": self._servers})

    def _produce(self, topic: str, message: KafkaMessage, report: Report) -> None:
        self._producer.produce(
            topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers.items()),
            on_delivery=partial(self._reported, report),
        )
        self._unreported += 1

    def _reported(self, report: Report, error: KafkaError | None, _: Message) -> None:
        # In the reports thread: gathered here, handed over once a poll.
        self._reports.append((report, error))

    def _poll(self) -> None:
        while not self._loop.is_closed():
            self._producer.poll(EXPIRY_TICK_S)
            if self._reports:
                time.sleep(GATHER_REPORTS_S)
                self._producer.poll(0)
                reports, self._reports = self._reports, []
                try:
                    self._loop.call_soon_threadsafe(self._resolve, reports)
                except RuntimeError:  # the loop closed meanwhile: what is unsettled is the relay's
                    return

    def _resolve(self, reports: list[tuple[Report, KafkaError | None]]) -> None:
        self._unreported -= len(reports)
        for report, error in reports:
            report(error)
        if self._unsettled and (self._settling is None or self._settling.done()):
            self._settling = self._loop.create_task(self._settle())

    def _published(
        self, event: Event, future: "asyncio.Future[bool]", error: KafkaError | None
    ) -> None:
        self._away = error is not None
        self._in_flight.pop(event.id, None)
        if error is None and len(self._unsettled) < MAX_UNSETTLED:
            self._unsettled[event.id] = None
        if not future.done():
            future.set_result(error is None)

    async def _settle(self) -> None:
        while self._unsettled:
            await asyncio.sleep(SETTLE_AFTER_S)
            ids = list(self._unsettled)
            try:
                await worker().submit(partial(_delete_published, ids))
            except OrderFlowError as error:  # the rows stay: the relay sends them once more
                logger().warning("published events not settled", count=len(ids), why=error.detail)
            for event_id in ids:
                del self._unsettled[event_id]

    def _expire(self) -> None:
        now = self._loop.time()
        while self._pending and (self._pending[0][1].done() or self._pending[0][0] <= now):
            _, future = self._pending.popleft()
            if not future.done():
                self._away = True
                future.set_result(False)
        self._expiry = self._loop.call_later(EXPIRY_TICK_S, self._expire) if self._pending else None


@cache
def outbox() -> Outbox:
    """Return this process's outbox, made on first use inside the event loop."""
    made = Outbox(settings().kafka_bootstrap_servers)
    before_leaving(made.settled)
    return made


def publish(event: Event) -> "asyncio.Future[bool]":
    """Send an event whose transaction has committed; see `Outbox.publish`."""
    return outbox().publish(event)


async def acknowledged(event_id: str | None) -> bool:
    """Whether Kafka has an event: one that is in the outbox no more (None), or just sent."""
    return event_id is None or await outbox().acknowledged(event_id)


def _answer(future: "asyncio.Future[KafkaError | None]", error: KafkaError | None) -> None:
    if not future.done():
        future.set_result(error)


def _delete_published(ids: list[str], connection: Connection) -> None:
    connection.run(DELETE_PUBLISHED, ids=ids)


def _claim_unpublished(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.run(CLAIM_UNPUBLISHED, count=RELAY_BATCH)
    claimed: list[dict[str, Any]] = [orjson.loads(row[0]) for row in rows]
    return sorted(claimed, key=lambda row: (str(row["at"]), int(row["sequence"])))


def _event(row: dict[str, Any]) -> Event:
    payload = orjson.dumps(row["payload"]).decode()
    return Event(**{name: row[name] for name in Event.__slots__} | {"payload": payload})
