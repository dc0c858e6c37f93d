"""A stranger who listens to every topic all along, and may tell all of it again."""

import asyncio
import random
from collections import defaultdict, deque
from functools import partial
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from orderflow_cli.topics import PARTITIONS, TOPICS
from tests.support.kafka_topics import QUIET, Record, produce
from tests.support.shop import reference

REMEMBERED = 1_000  # the newest events of orders and items: these are told again
READ_AT_ONCE = 500
WAITED_S = 0.3


class Listener:
    """Remembers the ids of the events of each order and sequence."""

    def __init__(self, servers: str) -> None:
        self.ids: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._servers = servers
        self._heard: deque[Record] = deque(maxlen=REMEMBERED)

    async def run(self) -> None:
        """Listen until cancelled; what the broker forgot is no reason to stop."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": reference("listener"),
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 1_000,
                **QUIET,
            }
        )
        consumer.assign(
            [TopicPartition(t, p, OFFSET_BEGINNING) for t in TOPICS for p in range(PARTITIONS)]
        )
        consume = partial(asyncio.to_thread, consumer.consume, READ_AT_ONCE, WAITED_S)
        reading = asyncio.create_task(consume())
        try:
            while True:
                for message in await asyncio.shield(reading):
                    if not message.error():
                        self._hear(message)
                reading = asyncio.create_task(consume())
        finally:
            await asyncio.wait([reading])  # closed while it reads, it may hang for ever
            await asyncio.to_thread(consumer.close)

    def _hear(self, message: Any) -> None:
        headers = tuple(message.headers() or ())
        record = Record(message.topic(), message.key() or b"", message.value() or b"", headers)
        if record.topic == "order-events":
            told = record.attributes()
            self.ids[record.key.decode(), int(told["ce_sequence"])].add(told["ce_id"])
        else:
            self._heard.append(record)

    async def tell_again(self, chance: random.Random) -> int:
        """Produce all that it remembers once more, shuffled; return how many events that were."""
        again = list(self._heard)
        chance.shuffle(again)
        await asyncio.to_thread(produce, self._servers, *again)
        return len(again)
