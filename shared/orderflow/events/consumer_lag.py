"""How far the readers of topics are behind."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

HANGS_AFTER_S = 5.0  # beyond the time limit of a request, which then has failed by itself


class Lag(NamedTuple):
    """So many events of a topic a consumer group has not finished."""

    group: str
    topic: str
    lag: int


def consumer_lag(
    admin: AdminClient, groups: Mapping[str, Sequence[str]], *, timeout_s: float
) -> list[Lag]:
    """Return the lag of each group on each of the topics that it reads and that there are.

    `timeout_s` is of each request. Raises `KafkaException`.
    """
    known = admin.list_topics(timeout=timeout_s).topics
    read = {
        group: [
            TopicPartition(topic, number)
            for topic in topics
            if topic in known
            for number in known[topic].partitions
        ]
        for group, topics in groups.items()
    }
    behind = {(group, topic): 0 for group, topics in groups.items() for topic in topics}
    # All requests are under way before the first answer is waited for.
    wanted = {partition: OffsetSpec.latest() for found in read.values() for partition in found}
    ends = admin.list_offsets(wanted, request_timeout=timeout_s) if wanted else {}
    finished = {
        group: admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, partitions)], request_timeout=timeout_s
        )[group]
        for group, partitions in read.items()
        if partitions
    }
    within_s = timeout_s + HANGS_AFTER_S
    latest = {(p.topic, p.partition): end.result(within_s).offset for p, end in ends.items()}
    for group, answer in finished.items():
        for done in answer.result(within_s).topic_partitions:
            # Nothing finished is a negative offset; and the end may be older news than what is.
            left = latest[done.topic, done.partition] - max(done.offset, 0)
            behind[group, done.topic] += max(left, 0)
    return [Lag(group, topic, lag) for (group, topic), lag in behind.items()]
