"""What every manifest kind shares: strict reading, metadata, destinations and durations."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

# RFC 1123 label, the rule of Kubernetes for names of Services and Namespaces.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
# Objects that give no DNS label to anyone may be longer and hold dots (RFC 1123 subdomain).
LongName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
# Knative's Java builder takes only these characters in an extension name: an upper-case letter,
# which the webhook lets through, would block the partition for ever.
ExtensionName = Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
Int32 = Annotated[int, Field(ge=0, le=2**31 - 1)]
# An override of one of these would make Knative send the header twice.
CORE_ATTRIBUTES = frozenset(
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"]
)
# Each Service that an object refers to: the field that does so, name and namespace.
ServiceRefs = Iterator[tuple[str, str, str | None]]

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


class Strict(BaseModel):
    """A model that refuses what it does not know, spelt as Kubernetes does (camelCase)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class Metadata(Strict):
    """Name, namespace (`default` when absent), labels and annotations of an object."""

    name: LongName
    namespace: Name = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Strict):
    """The fields every object has; `kind` and `apiVersion` have picked the model already."""

    api_version: str
    kind: str
    metadata: Metadata

    @property
    def name(self) -> str:
        """The object's name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The object's namespace."""
        return self.metadata.namespace

    def services(self) -> ServiceRefs:
        """Each Service it refers to."""
        yield from ()


class Reference(Strict):
    """A sink named by object: here only a Knative Service can be one."""

    api_version: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]
    name: Name
    namespace: Name | None = None


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

    def services(self, field: str) -> ServiceRefs:
        """The Service it names, if it does, with the field of the object that holds it."""
        if self.ref is not None:
            yield f"{field}.ref", self.ref.name, self.ref.namespace


class CloudEventOverrides(Strict):
    """Extensions set on every event, over those it brings (`duck/v1.CloudEventOverrides`)."""

    extensions: dict[ExtensionName, str] = Field(default_factory=dict)

    @field_validator("extensions")
    @classmethod
    def _no_attribute(cls, extensions: dict[str, str]) -> dict[str, str]:
        if taken := extensions.keys() & CORE_ATTRIBUTES:
            raise ValueError(f"{min(taken)} is an attribute, not an extension")
        return extensions
