"""The container of a `serving.knative.dev/v1 Service`: its command, environment and probes."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from knative_local.manifests.base import LongName, Name, Strict

# Knative sets these itself and reserves these ports (serving pkg/networking, k8s_validation.go).
RESERVED_ENV = frozenset({"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"})
RESERVED_PORTS = frozenset({8008, 8012, 8013, 8022, 9090, 9091})

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0)]


class ObjectRef(Strict):
    """A whole ConfigMap or Secret."""

    name: LongName
    optional: bool = False


class KeyRef(ObjectRef):
    """One key of a ConfigMap or Secret."""

    key: str


class ValueFrom(Strict):
    """Where the value of an environment variable is: exactly one of the two."""

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "ValueFrom":
        if (self.secret_key_ref is None) == (self.config_map_key_ref is None):
            raise ValueError("needs exactly one of secretKeyRef and configMapKeyRef")
        return self


class EnvVar(Strict):
    """One environment variable: `value` (empty when absent) or `valueFrom`."""

    name: str
    value: str = ""
    value_from: ValueFrom | None = None

    @model_validator(mode="after")
    def _allowed(self) -> "EnvVar":
        if self.name in RESERVED_ENV:
            raise ValueError(f"{self.name} is set by Knative itself")
        if self.value and self.value_from:
            raise ValueError("value and valueFrom exclude each other")
        return self


class EnvFrom(Strict):
    """Every key of a ConfigMap or Secret as variables, each name after `prefix`."""

    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None


class ContainerPort(Strict):
    """The one port of the container; the name picks HTTP/1.1 or cleartext HTTP/2."""

    container_port: Port = 8080
    name: Literal["", "http1"] = ""
    protocol: Literal["TCP"] = "TCP"

    @model_validator(mode="after")
    def _not_reserved(self) -> "ContainerPort":
        if self.container_port in RESERVED_PORTS:
            raise ValueError(f"port {self.container_port} is reserved by Knative")
        return self


class HttpGet(Strict):
    """An HTTP probe; its port, if given, must be the container's (Knative's rule)."""

    path: str = "/"
    port: Port | Literal[0] = 0
    scheme: Literal["HTTP"] = "HTTP"


class Probe(Strict):
    """A probe in whole seconds; `periodSeconds` 0 means as fast as the runtime likes."""

    http_get: HttpGet | None = None
    tcp_socket: dict[Literal["port"], int] | None = None
    initial_delay_seconds: Count = 0
    period_seconds: Count = 0
    timeout_seconds: Annotated[int, Field(ge=1)] = 1
    success_threshold: Literal[1] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 3


class Container(Strict):
    """The function's container; what is `Any` steers a cluster only."""

    name: Name | None = None
    image: str
    image_pull_policy: Any = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: Annotated[tuple[ContainerPort, ...], Field(max_length=1)] = ()
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    resources: Any = None
    security_context: Any = None
