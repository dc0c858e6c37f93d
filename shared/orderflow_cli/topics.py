"""The topics on Kafka: made before the first event, and how far their readers are behind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, get_args

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from orderflow.database.event import Topic
from orderflow.events.consumer_lag import consumer_lag
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
    behind = dict.fromkeys(groups, 0)
    with _admin(servers, security) as admin:
        for group, _, events in consumer_lag(admin, groups, timeout_s=TIMEOUT_S):
            behind[group] += events
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
