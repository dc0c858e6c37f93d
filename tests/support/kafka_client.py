"""Topics, records and committed offsets, for tests that speak to a real broker."""

from contextlib import closing
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.conformance.recording import Case, decoded

ANSWER_WITHIN_S = 20.0
QUIET = {"log_level": 2}


class Kafka:
    """One broker, seen from outside the dispatcher."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self._settings: dict[str, Any] = {"bootstrap.servers": servers, **QUIET}
        self._admin = AdminClient(self._settings)

    def create_topics(self, partitions: dict[str, int]) -> None:
        """Create topics; records may be of any age."""
        config = {"retention.ms": "-1"}
        topics = [NewTopic(t, n, 1, config=config) for t, n in partitions.items()]
        for created in self._admin.create_topics(topics).values():
            created.result(ANSWER_WITHIN_S)

    def committed(self, group: str) -> dict[str, int]:
        """Committed offsets of a group, by partition number as text."""
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        try:
            found = asked[group].result(ANSWER_WITHIN_S).topic_partitions
        except KafkaException:
            return {}  # no such group yet
        return {str(p.partition): p.offset for p in found if p.offset >= 0}

    def commit(self, group: str, topic: str, offset: int, *, partitions: int = 1) -> None:
        """Let a group without members stand at an offset of a topic's first partitions."""
        with closing(Consumer({**self._settings, "group.id": group})) as consumer:
            at = [TopicPartition(topic, number, offset) for number in range(partitions)]
            consumer.commit(offsets=at, asynchronous=False)

    def producer(self, **settings: Any) -> Producer:
        """A producer whose batches are written in order."""
        return Producer({**self._settings, "linger.ms": 5, "acks": "all", **settings})

    def produce(self, case: Case) -> None:
        """Write the records of a case, in order, each in its transaction if it has one."""
        records = case.raw["records"]
        if any(record.get("transaction") for record in records):
            self._produce_in_transactions(case)
            return
        producer = self.producer()
        for record in records:
            _write(producer, case.topic, record)
        assert producer.flush(ANSWER_WITHIN_S) == 0

    def _produce_in_transactions(self, case: Case) -> None:
        producer = self.producer(**{"transactional.id": case.name})
        producer.init_transactions(ANSWER_WITHIN_S)
        plain = self.producer()
        for record in case.raw["records"]:
            if not record.get("transaction"):
                _write(plain, case.topic, record)
                assert plain.flush(ANSWER_WITHIN_S) == 0
                continue
            producer.begin_transaction()
            _write(producer, case.topic, record)
            assert producer.flush(ANSWER_WITHIN_S) == 0
            if record["transaction"] == "commit":
                producer.commit_transaction(ANSWER_WITHIN_S)
            else:
                producer.abort_transaction(ANSWER_WITHIN_S)


def _write(producer: Producer, topic: str, record: dict[str, Any]) -> None:
    producer.produce(
        topic,
        key=decoded(record["key"]),
        value=decoded(record["value"]),
        partition=record["partition"],
        headers=[(name, decoded(value)) for name, value in record["headers"]],
        timestamp=record["timestamp_ms"],
    )
