"""`serving.knative.dev/v1 Service`, one function, and what it may refer to (`v1` kinds)."""

from typing import Annotated, Any, Literal

from pydantic import Field

from knative_local.manifests.base import LongName, Name, Resource, Strict
from knative_local.manifests.container import Container, EnvVar, ObjectRef, Port, Probe, ValueFrom

__all__ = [
    "ConfigMap",
    "Container",
    "EnvVar",
    "Namespace",
    "Port",
    "Probe",
    "Service",
    "ServiceAccount",
    "ValueFrom",
]

DEFAULT_TIMEOUT_S = 300  # revision-timeout-seconds of config-defaults
MAX_TIMEOUT_S = 600  # max-revision-timeout-seconds of config-defaults
MAX_CONCURRENCY = 1000  # container-concurrency-max-limit of config-defaults


class RevisionSpec(Strict):
    """How one instance runs. `serviceAccountName` and pull secrets are cluster-only."""

    container_concurrency: Annotated[int, Field(ge=0, le=MAX_CONCURRENCY)] = 0
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_TIMEOUT_S)] = DEFAULT_TIMEOUT_S
    service_account_name: LongName | None = None
    automount_service_account_token: Literal[False] | None = None
    enable_service_links: bool = False
    image_pull_secrets: tuple[ObjectRef, ...] = ()
    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=1)]


class TemplateMetadata(Strict):
    """Labels and annotations of a revision; autoscaling annotations are cluster-only."""

    name: Name | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Template(Strict):
    """The template of every revision."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: RevisionSpec


class ServiceSpec(Strict):
    """One template; splitting traffic over revisions is not served locally."""

    template: Template


class Service(Resource):
    """A function. Locally one process; the autoscaler's annotations are accepted, unused."""

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


class Namespace(Resource):
    """Accepted, cluster-only."""

    spec: dict[str, Any] = Field(default_factory=dict)


class ServiceAccount(Resource):
    """Accepted, cluster-only."""

    automount_service_account_token: bool = True
    image_pull_secrets: tuple[ObjectRef, ...] = ()
