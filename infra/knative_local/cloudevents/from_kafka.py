"""Kafka record to event: what Knative's Kafka dispatcher makes of a record, before HTTP.

The rules are those of eventing-kafka-broker 1.23: CloudEventDeserializer for records that are
CloudEvents, InvalidCloudEventInterceptor and KeyDeserializer for plain ones, and
CloudEventOverridesMutator for what every event gets. Nothing here does I/O.
"""

import base64
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from knative_local.cloudevents.event import Event, trace_headers
from knative_local.cloudevents.java_text import double_text, float_text
from knative_local.cloudevents.kafka_binding import cloudevent
from knative_local.manifests.sources import KeyType

_NOT_IN_NAME = re.compile(r"[^a-z0-9]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERA_YEARS, _ERA_S = 400, 146_097 * 86_400  # after which the calendar repeats itself


class KafkaRecord(Protocol):
    """What is read of a record; confluent-kafka's Message is one."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class NullHeaderError(ValueError):
    """A plain record with a header that has no value.

    In Knative it makes the interceptor throw, and every plain record of the same poll is lost.
    """


@dataclass(frozen=True, slots=True)
class EventRule:
    """How one KafkaSource reads records: its identity, key type and overrides."""

    namespace: str
    name: str
    key_type: KeyType = "string"
    overrides: dict[str, str] = field(default_factory=dict)

    def event(self, record: KafkaRecord) -> Event:
        """The event to deliver for a record; raises NullHeaderError."""
        headers = dict(record.headers() or ())
        found = cloudevent(headers, record.value()) if headers else None
        if found is None:
            found = self._plain(record, headers)
        found.attributes["knativekafkapartition"] = str(record.partition())
        found.attributes["knativekafkaoffset"] = str(record.offset())
        if self.overrides:
            found.attributes.update(self.overrides)
        return found

    def _plain(self, record: KafkaRecord, headers: dict[str, bytes | None]) -> Event:
        partition, offset = record.partition(), record.offset()
        root = f"/apis/v1/namespaces/{self.namespace}/kafkasources/{self.name}"
        attributes = {
            "specversion": "1.0",
            "id": f"partition:{partition}/offset:{offset}",
            "source": f"{root}#{record.topic()}",
            "type": "dev.knative.kafka.event",
            "subject": f"partition:{partition}#{offset}",
            "time": time_text(record.timestamp()[1]),
        }
        if key := record.key():
            attributes["key"] = attributes["partitionkey"] = key_text(key, self.key_type)
        content_type = None
        for name, raw in record.headers() or ():
            if raw is None:
                raise NullHeaderError(name)
            text, lower = raw.decode("utf-8", "replace"), name.lower()
            if lower == "content-type":
                content_type = text.lower()
            else:
                attributes["kafkaheader" + _NOT_IN_NAME.sub("", lower)] = text
        trace = trace_headers(headers) if headers else {}
        return Event(attributes, content_type, record.value(), trace, plain=True)


def time_text(timestamp_ms: int) -> str:
    """A record's time in UTC, its fraction without zeros at the end, as Java prints it."""
    seconds, millis = divmod(timestamp_ms, 1000)
    fraction = f".{millis:03d}".rstrip("0") if millis else ""
    return f"{_second_text(seconds)}{fraction}Z"


@lru_cache(maxsize=64)  # neighbours in a topic share their second, and strftime is slow
def _second_text(seconds: int) -> str:
    eras, rest = divmod(seconds, _ERA_S)
    when = _EPOCH + timedelta(seconds=rest)
    year = when.year + eras * _ERA_YEARS  # a producer may claim any, and Java prints it
    return (f"{year:04d}" if 0 <= year <= 9999 else f"{year:+05d}") + when.strftime(
        "-%m-%dT%H:%M:%S"
    )


def key_text(key: bytes, key_type: KeyType) -> str:
    """A record's key as text; a key that does not fit its type is read as UTF-8."""
    if key_type == "byte-array":
        return base64.b64encode(key).decode()
    if key_type == "int" and len(key) == 4:
        return str(struct.unpack(">i", key)[0])
    if key_type == "float" and len(key) == 4:
        return float_text(struct.unpack(">f", key)[0])
    if key_type == "float" and len(key) == 8:
        return double_text(struct.unpack(">d", key)[0])
    return key.decode("utf-8", "replace")
