"""What every manifest kind shares: strict reading, metadata, destinations and durations."""

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

# RFC 1123 label, the rule of Kubernetes for names of Services and Namespaces.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
# Objects that give no DNS label to anyone may be longer and hold dots (RFC 1123 subdomain).
LongName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"^[+-]?P(?=.)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?$"
)
# Seconds in a year, month, week, day, hour, minute, second; the Gregorian averages for the
# first two, as rickb777/date has them.
_UNIT_SECONDS = (31_556_952, 2_629_746, 604_800, 86_400, 3_600, 60, 1)


def duration_ms(text: str) -> int:
    """Milliseconds of an ISO-8601 duration, read as rickb777/date v1.14 does in Knative.

    One decimal digit of each number counts and the rest is cut off (PT0.25S is 200 ms); a sign
    is dropped. Anything else raises ValueError.
    """
    found = _DURATION.match(str(text))  # a manifest may hold a number
    if found is None:
        raise ValueError(f"{text!r} is not an ISO-8601 duration such as PT0.5S")
    tenths = 0
    for number, unit in zip(found.groups("0"), _UNIT_SECONDS, strict=True):
        whole, _, fraction = number.replace(",", ".").partition(".")
        tenths += int(whole + (fraction[:1] or "0")) * unit
    return tenths * 100


DurationMs = Annotated[int, BeforeValidator(duration_ms)]


def none_of(values: Collection[Any], reason: str) -> AfterValidator:
    """Refuse these values, each for the same reason."""

    def check(value: Any) -> Any:
        if value in values:
            raise ValueError(f"{value} {reason}")
        return value

    return AfterValidator(check)


class Strict(BaseModel):
    """A model that refuses what it does not know, spelt as Kubernetes does (camelCase)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(Strict):
    """Name, namespace, labels and annotations; what is `Any` a server adds and kubectl prints."""

    name: LongName
    namespace: Name = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: Any = None
    finalizers: Any = None
    generation: Any = None
    managed_fields: Any = None
    owner_references: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None


class Resource(Strict):
    """The fields every object has; `kind` and `apiVersion` have picked the model already."""

    api_version: str
    kind: str
    metadata: Metadata
    status: Any = None  # which a server adds

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.metadata.namespace


class ServiceName(Strict):
    """A Service; without a namespace, one in that of the object that names it."""

    name: Name
    namespace: Name | None = None


class Reference(ServiceName):
    """A sink named by object: here only a Knative Service can be one."""

    api_version: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]


class Destination(Strict):
    """Where events go: `ref` (a Service), an absolute `uri`, or `ref` with a relative `uri`.

    The rules are those of knative.dev/pkg `duck/v1.Destination`; `https`, `CACerts` and
    `audience` need certificates or tokens of a cluster and are refused.
    """

    ref: Reference | None = None
    uri: str | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "Destination":
        if self.ref is None and self.uri is None:
            raise ValueError("needs ref or uri")
        parts = urlsplit(self.uri or "")
        if self.uri and bool(parts.scheme and parts.netloc) == (self.ref is not None):
            raise ValueError("uri must be absolute without ref and relative with it")
        if self.ref is None and parts.scheme != "http":
            raise ValueError("only http is served by the local runtime")
        return self

    def url(self, base: str | None = None, *, namespace: str) -> str:
        """Absolute URL: `base` is the address of the Service, its name in a cluster if None."""
        if self.ref is None:
            return self.uri or ""
        owner = self.ref.namespace or namespace
        root = base or f"http://{self.ref.name}.{owner}.svc.cluster.local"
        return urljoin(root, self.uri) if self.uri else root
