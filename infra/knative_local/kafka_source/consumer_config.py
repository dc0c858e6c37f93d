"""How a source consumes: Knative's settings of the Kafka consumer, in librdkafka's words."""

from typing import Any

from knative_local.delivery.sender import wait_ms
from knative_local.kafka_source.in_flight import POLL_RECORDS
from knative_local.manifests.sources import Delivery, KafkaSource

# librdkafka refuses more than a day, where Kafka's Java client allows 2^31-1 ms.
MAX_POLL_INTERVAL_MS = 86_400_000
SESSION_TIMEOUT_MS = 6_000  # the least a broker allows by default; a dead member is gone sooner
KNATIVE_SESSION_TIMEOUT_MS = 10_000
PREFETCH_RECORDS = 2_000  # some forty polls; keeps memory small where a topic has a backlog
# The embedded broker lets a fetch sleep through half of this, whatever comes meanwhile; a shorter
# wait makes it read its log more often, which costs more the longer that is.
FETCH_WAIT_MS = 200
FETCH_PAUSE_MS = 20  # until a full prefetch queue is looked at again (the default stalls for 1 s)
METADATA_EVERY_MS = 2_000  # so that a missing topic is found soon after it appears


def max_poll_interval_ms(delivery: Delivery) -> int:
    """Longest time between polls, by the rule of ConsumerVerticleContext."""
    waits = sum(wait_ms(delivery, retry) for retry in range(1, min(delivery.retry, 64) + 1))
    one_record = delivery.timeout_ms * (delivery.retry + 1) + waits + 1000 * delivery.retry
    longest = 2 * POLL_RECORDS * one_record
    return max(KNATIVE_SESSION_TIMEOUT_MS, min(longest, MAX_POLL_INTERVAL_MS))


def consumer_settings(
    source: KafkaSource, servers: str | None, *, like_knative: bool
) -> dict[str, Any]:
    """Settings of Knative's source data plane, in librdkafka's words.

    Unless asked to be `like_knative`'s in that too, a member that died is noticed sooner.
    """
    session_ms = KNATIVE_SESSION_TIMEOUT_MS if like_knative else SESSION_TIMEOUT_MS
    return {
        "bootstrap.servers": servers or source.servers,
        "group.id": source.consumer_group,
        "client.id": f"{source.namespace}.{source.name}",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": True,
        "partition.assignment.strategy": "roundrobin",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": session_ms // 3,
        "max.poll.interval.ms": max_poll_interval_ms(source.spec.delivery),
        "max.partition.fetch.bytes": 65_536,
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "queued.min.messages": PREFETCH_RECORDS,
        "fetch.queue.backoff.ms": FETCH_PAUSE_MS,
        "topic.metadata.refresh.interval.ms": METADATA_EVERY_MS,
        "reconnect.backoff.max.ms": 1_000,
        "log_level": 2,  # librdkafka's own log lines are not JSON; errors reach the reader
    }
