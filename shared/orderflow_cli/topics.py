"""The topics on Kafka: made before the first event, and how far their readers are behind."""

from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

TOPICS = ("orders", "inventory", "order-events")
GROUPS = {"orderflow-process-order": "orders", "orderflow-apply-inventory": "inventory"}
PARTITIONS = 3  # a source reads them all at once: more would only make smaller batches
TIMEOUT_S = 10.0  # of a request, after which it fails by itself
ANSWER_WITHIN_S = TIMEOUT_S + 5.0  # so this says only that librdkafka hangs
_CLIENT = {"log_level": 2}  # librdkafka repeats "connection refused" every second otherwise


def create_topics(servers: str, *, replicas: int = 1) -> list[str]:
    """Create the topics that are missing; return their names. Raises `KafkaException`."""
    admin = AdminClient({"bootstrap.servers": servers, **_CLIENT})
    made = admin.create_topics(
        [NewTopic(topic, PARTITIONS, replicas) for topic in TOPICS], request_timeout=TIMEOUT_S
    )
    return [topic for topic, future in made.items() if _created(future)]


def lag(servers: str) -> dict[str, int]:
    """Return, per consumer group, how many events it has not finished. Raises `KafkaException`."""
    admin = AdminClient({"bootstrap.servers": servers, **_CLIENT})
    return {group: _lag(admin, group, topic) for group, topic in GROUPS.items()}


def _created(future: "Future[None]") -> bool:
    try:
        future.result(ANSWER_WITHIN_S)
    except KafkaException as error:
        fault: KafkaError = error.args[0]
        if fault.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def _lag(admin: Any, group: str, topic: str) -> int:
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    latest = {p: OffsetSpec.latest() for p in partitions}
    ends = admin.list_offsets(latest, request_timeout=TIMEOUT_S)
    (answer,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, partitions)], request_timeout=TIMEOUT_S
    ).values()
    done = {p.partition: p.offset for p in answer.result(ANSWER_WITHIN_S).topic_partitions}
    behind = (
        end.result(ANSWER_WITHIN_S).offset - max(done.get(p.partition, 0), 0)
        for p, end in ends.items()
    )
    return sum(max(n, 0) for n in behind)  # the end may be older news than what is done
