"""What is on Kafka's topics, read and written by a stranger to OrderFlow."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from orderflow.events.messages import order_placed, to_kafka
from tests.support.shop import reference
from tests.support.waiting import DEADLINE_S

QUIET = {"log_level": 2}
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
LISTENED_S = 1.0  # for something that is not to come


class Record(NamedTuple):
    """A record as it is on the topic."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def attributes(self) -> dict[str, str]:
        """All headers, as text."""
        return {name: value.decode() for name, value in self.headers}

    def data(self) -> dict[str, Any]:
        """The event's data."""
        found: dict[str, Any] = orjson.loads(self.value)
        return found


def records(servers: str, topic: str, key: str, count: int) -> list[Record]:
    """Read a topic from its beginning until it has given so many records of a key.

    They come in their order, because those of one key are in one partition. A further second is
    waited for records that there should not be.
    """
    found: list[Record] = []
    deadline = time.monotonic() + DEADLINE_S
    for record in _read(servers, topic):
        if record is not None and record.key == key.encode():
            found.append(record)
            if len(found) == count:
                deadline = time.monotonic() + LISTENED_S
        if time.monotonic() > deadline:
            break
    assert len(found) >= count, f"{topic} has {len(found)} of {count} records of {key}"
    return found


def announcement(order_id: str) -> Record:
    """The record that announces an order."""
    headers, key, value = to_kafka(order_placed(order_id, [], "backorder", TRACE))
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    return Record("orders", key, value, tuple(headers.items()))


def produce(servers: str, *given: Record) -> None:
    """Write records, in their order, and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": servers, "acks": "all", **QUIET})
    for record in given:
        producer.produce(
            record.topic, key=record.key, value=record.value, headers=list(record.headers)
        )
    assert producer.flush(DEADLINE_S) == 0


def _read(servers: str, topic: str) -> Iterator[Record | None]:
    options = {
        "bootstrap.servers": servers,
        "group.id": reference("reader"),
        "session.timeout.ms": 6_000,
        "enable.auto.commit": False,
        **QUIET,
    }
    with closing(Consumer(options)) as consumer:
        partitions = consumer.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        while True:
            message = consumer.poll(0.2)
            if message is None or message.error():
                yield None
                continue
            headers: Any = message.headers() or ()
            yield Record(topic, message.key() or b"", message.value() or b"", tuple(headers))
