"""`serving.knative.dev/v1 Service`, one function, and what it may refer to (`v1` kinds).

What is `Any` steers a cluster only. The limits are those of Knative's `config-defaults`.
"""

from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, Field, model_validator

from knative_local.manifests.base import LongName, Name, Port, Resource, Strict, none_of

# Knative sets these itself and reserves these ports (serving pkg/networking, k8s_validation.go).
RESERVED_ENV = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}
RESERVED_PORTS = {8008, 8012, 8013, 8022, 9090, 9091}


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

    name: Annotated[str, none_of(RESERVED_ENV, "is set by Knative itself")]
    value: str = ""
    value_from: ValueFrom | None = None

    @model_validator(mode="after")
    def _one_value(self) -> "EnvVar":
        if self.value and self.value_from:
            raise ValueError("value and valueFrom exclude each other")
        return self


class EnvFrom(Strict):
    """Every key of a ConfigMap or Secret as variables, each name after `prefix`."""

    prefix: str = ""
    config_map_ref: ObjectRef | None = None
    secret_ref: ObjectRef | None = None


class ContainerPort(Strict):
    """The one port of the container; `h2c` as its name would mean cleartext HTTP/2."""

    container_port: Annotated[Port, none_of(RESERVED_PORTS, "is reserved by Knative")] = 8080
    name: Literal["", "http1"] = ""
    protocol: Literal["TCP"] = "TCP"


class HttpGet(Strict):
    """An HTTP probe; its port, if given, must be the container's (Knative's rule)."""

    path: str = "/"
    port: Port | Literal[0] = 0
    scheme: Literal["HTTP"] = "HTTP"


class Probe(Strict):
    """A probe in whole seconds; `periodSeconds` 0 means as fast as the runtime likes."""

    http_get: HttpGet | None = None
    tcp_socket: dict[Literal["port"], int] | None = None
    initial_delay_seconds: Annotated[int, Field(ge=0)] = 0
    period_seconds: Annotated[int, Field(ge=0)] = 0
    timeout_seconds: Annotated[int, Field(ge=1)] = 1
    success_threshold: Literal[1] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 3


class VolumeMount(Strict):
    """Room for files in the container; here a process has the machine's own /tmp."""

    name: Name
    mount_path: Literal["/tmp"]  # noqa: S108 (of the container)


class Volume(Strict):
    """An empty folder, which lasts as long as the pod; nothing else is mounted here."""

    name: Name
    empty_dir: dict[str, Any]


class Container(Strict):
    """The function's container."""

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
    volume_mounts: tuple[VolumeMount, ...] = ()
    resources: Any = None
    security_context: Any = None


class RevisionSpec(Strict):
    """How one instance runs."""

    container_concurrency: Annotated[int, Field(ge=0, le=1000)] = 0
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 300
    service_account_name: LongName | None = None
    automount_service_account_token: Literal[False] | None = None
    enable_service_links: bool = False
    image_pull_secrets: Any = None
    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=1)]
    volumes: tuple[Volume, ...] = ()


class TemplateMetadata(Strict):
    """Name of a revision; annotations are the autoscaler's."""

    name: Name | None = None
    labels: Any = None
    annotations: Any = None
    creation_timestamp: Any = None


class Template(Strict):
    """The template of every revision."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: RevisionSpec


class TrafficTarget(Strict):
    """The default: all traffic to the latest revision, the only one there is here."""

    latest_revision: Literal[True] = True
    percent: Literal[100] = 100


class ServiceSpec(Strict):
    """One template; splitting traffic over revisions is not served locally."""

    template: Template
    traffic: Annotated[tuple[TrafficTarget, ...], Field(max_length=1)] = ()


class Service(Resource):
    """A function, locally one process."""

    spec: ServiceSpec

    @property
    def revision(self) -> RevisionSpec:
        """How an instance runs."""
        return self.spec.template.spec

    @property
    def container(self) -> Container:
        """The only container."""
        return self.revision.containers[0]


class ConfigMap(Resource):
    """Plain settings for `configMapKeyRef` and `envFrom`."""

    data: dict[str, str] = Field(default_factory=dict)
    immutable: bool = False


class Secret(Resource):
    """Settings for `secretKeyRef` and `envFrom`: `data` in Base64, `stringData` as it is."""

    type: str = "Opaque"
    data: dict[str, Base64Bytes] = Field(default_factory=dict)
    string_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool = False


class ClusterOnly(Resource):
    """Accepted, without effect here: a Namespace, a ServiceAccount or a NetworkPolicy."""

    spec: Any = None
    secrets: Any = None
    automount_service_account_token: Any = None
    image_pull_secrets: Any = None
