"""`sources.knative.dev/v1 KafkaSource`, with the defaults and the validation of Knative."""

import uuid
from typing import Annotated, Literal, cast

from pydantic import Field, field_validator, model_validator

from knative_local.manifests.base import (
    CloudEventOverrides,
    Destination,
    Duration,
    Int32,
    Metadata,
    Resource,
    Strict,
)
from knative_local.manifests.durations import duration_ms

DEFAULT_TIMEOUT_MS = 600_000  # ConsumerVerticleContext: no timeout, or zero, means ten minutes
DEFAULT_BACKOFF_MS = 200  # kafka-broker control plane utils.go, when `retry` is set
KEY_TYPE_LABEL = "kafkasources.sources.knative.dev/key-type"

KeyType = Literal["string", "int", "float", "byte-array"]
Text = Annotated[str, Field(min_length=1)]
# Kafka's own rule; a leading ^ would be a pattern to librdkafka, and KafkaSource has none.
Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Delivery(Strict):
    """How often and how patiently one event is tried, and who gets it in the end.

    `retryAfterMax` is behind a feature flag that is off in Knative, and so refused.
    """

    retry: Int32 = 0
    backoff_policy: Literal["exponential", "linear"] = "exponential"
    backoff_delay: Duration | None = None
    timeout: Duration | None = None
    dead_letter_sink: Destination | None = None

    @model_validator(mode="after")
    def _delay_not_zero(self) -> "Delivery":
        if self.backoff_delay is not None and self.backoff_delay_ms == 0:
            raise ValueError("a backoffDelay under PT0.1S is zero to Knative and stops all retries")
        return self

    @property
    def backoff_delay_ms(self) -> int:
        """The base of the waits, in milliseconds."""
        return DEFAULT_BACKOFF_MS if self.backoff_delay is None else duration_ms(self.backoff_delay)

    @property
    def timeout_ms(self) -> int:
        """Longest wait for a connection and longest silence on it, in milliseconds."""
        return duration_ms(self.timeout or "PT0S") or DEFAULT_TIMEOUT_MS


# What Knative does where the manifest has no `delivery` (pkg/reconciler/source/source.go); one
# that is there but has no `retry` means no retry at all.
DEFAULT_DELIVERY = Delivery(retry=10, backoff_policy="exponential", backoff_delay="PT0.3S")


class KafkaSourceSpec(Strict):
    """The fields of the CRD that a dispatcher without TLS and SASL can honour."""

    bootstrap_servers: Annotated[tuple[Text, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    consumers: Int32 = 1
    consumer_group: Text | None = None
    initial_offset: Literal["latest", "earliest"] = "latest"
    ordering: Literal["ordered", "unordered"] = "ordered"
    delivery: Delivery = DEFAULT_DELIVERY
    sink: Destination
    ce_overrides: CloudEventOverrides = CloudEventOverrides()


class KafkaSourceMetadata(Metadata):
    """Metadata whose label `key-type` says how record keys are read."""

    @field_validator("labels")
    @classmethod
    def _known_key_type(cls, labels: dict[str, str]) -> dict[str, str]:
        if labels.get(KEY_TYPE_LABEL, "string") not in {"string", "int", "float", "byte-array"}:
            raise ValueError(f"{KEY_TYPE_LABEL} is not string, int, float or byte-array")
        return labels


class KafkaSource(Resource):
    """Topics whose records are posted to a sink as events. `consumers: 0` is paused."""

    metadata: KafkaSourceMetadata
    spec: KafkaSourceSpec

    @property
    def key_type(self) -> KeyType:
        """How record keys are read."""
        return cast("KeyType", self.metadata.labels.get(KEY_TYPE_LABEL, "string"))

    @property
    def consumer_group(self) -> str:
        """The group: Knative invents one for the object's life; here its name decides."""
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"kafkasource:{self.namespace}/{self.name}")
        return self.spec.consumer_group or f"knative-kafka-source-{identity}"
