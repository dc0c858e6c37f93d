"""The topics on Kafka: made before the first event, and how far their readers are behind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, get_args

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from orderflow.database.event import Topic
from orderflow.events.outbox import REFUSALS
from orderflow_cli.output import say

TOPICS: tuple[str, ...] = get_args(Topic)
PARTITIONS = 3  # a source reads them all at once: more would only make smaller batches
TIMEOUT_S = 10.0  # of a request, after which it fails by itself
NO_SECURITY: Mapping[str, str] = MappingProxyType({})
ANSWER_WITHIN_S = TIMEOUT_S + 5.0  # so this says only that librdkafka hangs


def create_topics(
    servers: str,
    topics: Iterable[str] = TOPICS,
    *,
    replicas: int = 1,
    security: Mapping[str, str] = NO_SECURITY,
) -> list[str]:
    """Create the topics that are missing; return their names. Raises `KafkaException`."""
    wanted = [NewTopic(topic, PARTITIONS, replicas) for topic in topics]
    created = []
    with _admin(servers, security) as admin:
        for topic, made in admin.create_topics(wanted, request_timeout=TIMEOUT_S).items():
            fault = made.exception(ANSWER_WITHIN_S)
            if fault is None:
                created.append(topic)
            elif fault.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise fault
    return created


def lag(
    servers: str,
    groups: Mapping[str, Sequence[str]],
    *,
    security: Mapping[str, str] = NO_SECURITY,
) -> dict[str, int]:
    """Return how many events each group has not finished, of the topics it reads.

    Raises `KafkaException`.
    """
    with _admin(servers, security) as admin:
        known = admin.list_topics(timeout=TIMEOUT_S).topics
        behind = {}
        for group, topics in groups.items():
            there = [topic for topic in topics if topic in known]
            partitions = [
                TopicPartition(t, number) for t in there for number in known[t].partitions
            ]
            behind[group] = _lag(admin, group, partitions) if partitions else 0
    return behind


def _lag(admin: AdminClient, group: str, partitions: list[TopicPartition]) -> int:
    latest = {p: OffsetSpec.latest() for p in partitions}
    ends = admin.list_offsets(latest, request_timeout=TIMEOUT_S)
    (answer,) = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, partitions)], request_timeout=TIMEOUT_S
    ).values()
    done = answer.result(ANSWER_WITHIN_S).topic_partitions
    finished = {(p.topic, p.partition): p.offset for p in done}
    behind = 0
    for p, end in ends.items():
        offset = max(finished.get((p.topic, p.partition), 0), 0)
        # The end may be older news than what is done.
        behind += max(end.result(ANSWER_WITHIN_S).offset - offset, 0)
    return behind


@contextmanager
def _admin(servers: str, security: Mapping[str, str]) -> Iterator[AdminClient]:
    refusals: dict[int, str] = {}

    def note(error: KafkaError) -> None:
        if error.code() in REFUSALS:
            refusals[error.code()] = error.str()

    # librdkafka repeats "connection refused" every second otherwise.
    told: dict[str, Any] = {"bootstrap.servers": servers, "log_level": 2, "error_cb": note}
    admin = AdminClient({**told, **security})
    try:
        yield admin
    finally:
        admin.poll(0)  # has it tell why: what was asked for has only run into its time limit
        say(*(f"Kafka can't be talked to: {why}" for why in refusals.values()), stderr=True)
