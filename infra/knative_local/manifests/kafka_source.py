"""`sources.knative.dev/v1 KafkaSource`, with the defaults and the validation of Knative."""

import uuid
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from knative_local.manifests.base import (
    CloudEventOverrides,
    Destination,
    DurationMs,
    Int32,
    Resource,
    ServiceRefs,
    Strict,
)

DEFAULT_TIMEOUT_MS = 600_000  # ConsumerVerticleContext: no timeout, or zero, means ten minutes
DEFAULT_BACKOFF_MS = 200  # kafka-broker control plane utils.go, when `retry` is set
KEY_TYPE_LABEL = "kafkasources.sources.knative.dev/key-type"

KeyType = Literal["string", "int", "float", "byte-array"]
Text = Annotated[str, Field(min_length=1)]
# Kafka's own rule; a leading ^ would be a pattern to librdkafka, and KafkaSource has none.
Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


def _not_zero(delay_ms: int) -> int:
    if delay_ms == 0:
        raise ValueError("under PT0.1S is zero to Knative and stops all retries")
    return delay_ms


class Delivery(Strict):
    """How often and how patiently one event is tried, and who gets it in the end.

    `timeout` is the longest wait for a connection and the longest silence on it. `retryAfterMax`
    is behind a feature flag that is off in Knative, and so refused.
    """

    retry: Int32 = 0
    backoff_policy: Literal["exponential", "linear"] = "exponential"
    backoff_delay_ms: Annotated[
        DurationMs, AfterValidator(_not_zero), Field(alias="backoffDelay")
    ] = DEFAULT_BACKOFF_MS
    timeout_ms: Annotated[
        DurationMs, AfterValidator(lambda ms: ms or DEFAULT_TIMEOUT_MS), Field(alias="timeout")
    ] = DEFAULT_TIMEOUT_MS
    dead_letter_sink: Destination | None = None


# What Knative does where the manifest has no `delivery` (pkg/reconciler/source/source.go); one
# that is there but has no `retry` means no retry at all.
DEFAULT_DELIVERY = Delivery.model_validate({"retry": 10, "backoffDelay": "PT0.3S"})


def _enables(value: Any) -> bool:
    return any(map(_enables, value.values())) if isinstance(value, dict) else bool(value)


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
    net: Annotated[dict[str, Any], Field(default_factory=dict)]

    @field_validator("net")
    @classmethod
    def _no_net(cls, net: dict[str, Any]) -> dict[str, Any]:
        if _enables(net):  # the API server itself fills in names without values
            raise ValueError("TLS and SASL to Kafka are not available in the local runtime")
        return net


class KafkaSource(Resource):
    """Topics whose records are posted to a sink as events. `consumers: 0` is paused."""

    spec: KafkaSourceSpec

    @model_validator(mode="after")
    def _known_key_type(self) -> "KafkaSource":
        if self.key_type not in get_args(KeyType):
            raise ValueError(f"{KEY_TYPE_LABEL} is not string, int, float or byte-array")
        return self

    @property
    def key_type(self) -> KeyType:
        """How record keys are read."""
        return cast("KeyType", self.metadata.labels.get(KEY_TYPE_LABEL, "string"))

    @property
    def servers(self) -> str:
        """The bootstrap servers, as a Kafka client takes them."""
        return ",".join(self.spec.bootstrap_servers)

    @property
    def consumer_group(self) -> str:
        """The group: Knative invents one for the object's life; here its name decides."""
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"kafkasource:{self.namespace}/{self.name}")
        return self.spec.consumer_group or f"knative-kafka-source-{identity}"

    def services(self) -> ServiceRefs:
        """The sink and the dead letter sink, where they are Services."""
        yield from self.spec.sink.services("spec.sink")
        if self.spec.delivery.dead_letter_sink:
            yield from self.spec.delivery.dead_letter_sink.services("spec.delivery.deadLetterSink")
