"""What the event loop and the thread of the Kafka consumer say to each other."""

from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import Message, TopicPartition

from knative_local.kafka_source.in_flight import Partition

Offsets = dict[Partition, int]


class Owner(Protocol):
    """What the reader tells; every method is called in the event loop's thread."""

    def on_batch(self, records: list[Message]) -> None: ...  # noqa: D102
    def on_assigned(self, partitions: list[Partition]) -> None: ...  # noqa: D102
    def on_revoked(self, partitions: list[Partition], lost: bool) -> Offsets: ...  # noqa: D102
    def on_committed(self, offsets: Offsets) -> None: ...  # noqa: D102
    def on_failed(self, reason: str) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Poll:
    """Fetch one batch from all but the paused partitions."""

    paused: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit without waiting for the answer."""

    offsets: Offsets


@dataclass(frozen=True, slots=True)
class Close:
    """Commit, then leave the group."""

    offsets: Offsets


def partitions(positions: list[TopicPartition]) -> list[Partition]:
    """The partitions of Kafka's positions."""
    return [Partition(position.topic, position.partition) for position in positions]
