"""`sources.knative.dev/v1` KafkaSource and PingSource, with Knative's defaults and validation."""

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from knative_local.manifests.base import Destination, DurationMs, Resource, Strict, none_of

DEFAULT_TIMEOUT_MS = 600_000  # ConsumerVerticleContext: no timeout, or zero, means ten minutes
DEFAULT_BACKOFF_MS = 200  # kafka-broker control plane utils.go, when `retry` is set
KEY_TYPE_LABEL = "kafkasources.sources.knative.dev/key-type"
# An override of one of these would make Knative send the header twice.
CORE_ATTRIBUTES = frozenset(
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"]
)
# robfig/cron's names for common schedules; `@every` is refused by Knative's webhook.
CRON_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def _cron(text: str) -> str:
    cron = CRON_DESCRIPTORS.get(text, text)
    try:
        CronSim(cron, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{text!r} is no cron schedule: {error}") from error
    return cron


def _base64(text: str) -> str:
    base64.b64decode(text, validate=True)  # binascii.Error is a ValueError
    return text


def _without_values(net: dict[str, Any]) -> dict[str, Any]:
    for value in net.values():
        if not isinstance(value, dict) and value:
            raise ValueError("TLS and SASL to Kafka are not available in the local runtime")
        _without_values(value or {})
    return net


KeyType = Literal["string", "int", "float", "byte-array"]
Int32 = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(min_length=1)]
# Kafka's own rule; a leading ^ would be a pattern to librdkafka, and KafkaSource has none.
Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
# Knative's Java builder takes only these characters in an extension name: an upper-case letter,
# which the webhook lets through, would block the partition for ever.
ExtensionName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]+$"),
    none_of(CORE_ATTRIBUTES, "is an attribute, not an extension"),
]


class CloudEventOverrides(Strict):
    """Extensions set on every event, over those it brings (`duck/v1.CloudEventOverrides`)."""

    extensions: dict[ExtensionName, str] = Field(default_factory=dict)


class SourceSpec(Strict):
    """Where a source sends, and what it adds."""

    sink: Destination
    ce_overrides: CloudEventOverrides = CloudEventOverrides()


class Delivery(Strict):
    """How often and how patiently one event is tried, and who gets it in the end.

    `timeout` is the longest wait for a connection and the longest silence on it. `retryAfterMax`
    is behind a feature flag that is off in Knative, and so refused.
    """

    retry: Int32 = 0
    backoff_policy: Literal["exponential", "linear"] = "exponential"
    backoff_delay_ms: Annotated[
        DurationMs,
        none_of([0], "ms, as Knative reads a delay under PT0.1S, stops all retries"),
        Field(alias="backoffDelay"),
    ] = DEFAULT_BACKOFF_MS
    timeout_ms: Annotated[
        DurationMs, AfterValidator(lambda ms: ms or DEFAULT_TIMEOUT_MS), Field(alias="timeout")
    ] = DEFAULT_TIMEOUT_MS
    dead_letter_sink: Destination | None = None


# What Knative does where the manifest has no `delivery` (pkg/reconciler/source/source.go); one
# that is there but has no `retry` means no retry at all.
DEFAULT_DELIVERY = Delivery.model_validate({"retry": 10, "backoffDelay": "PT0.3S"})


class KafkaSourceSpec(SourceSpec):
    """The fields of the CRD that a dispatcher without TLS and SASL can honour."""

    bootstrap_servers: Annotated[tuple[Text, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    consumers: Int32 = 1
    consumer_group: Text | None = None
    initial_offset: Literal["latest", "earliest"] = "latest"
    ordering: Literal["ordered", "unordered"] = "ordered"
    delivery: Delivery = DEFAULT_DELIVERY
    # The API server itself fills in names without values.
    net: Annotated[dict[str, Any], AfterValidator(_without_values)] = Field(default_factory=dict)


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


class PingSourceSpec(SourceSpec):
    """A cron schedule (five or six fields, the first of six for seconds) and what it sends."""

    schedule: Annotated[str, AfterValidator(_cron)] = "* * * * *"
    timezone: ZoneInfo = ZoneInfo("UTC")
    content_type: str = ""
    data: str = ""
    data_base64: Annotated[str, AfterValidator(_base64)] = ""

    @model_validator(mode="after")
    def _data_fits(self) -> "PingSourceSpec":
        if self.data and self.data_base64:
            raise ValueError("data and dataBase64 exclude each other")
        is_json = self.content_type == "application/json"
        if self.data and is_json and not isinstance(json.loads(self.data), dict):
            raise ValueError("data of content type application/json must be a JSON object")
        return self

    @property
    def body(self) -> bytes | None:
        """What is sent; None when there is no data."""
        if self.data_base64:
            return base64.b64decode(self.data_base64)
        return self.data.encode() if self.data else None


class PingSource(Resource):
    """An event each time the schedule says so."""

    spec: PingSourceSpec
