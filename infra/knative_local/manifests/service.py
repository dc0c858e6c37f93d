"""`serving.knative.dev/v1 Service`, one function, and what it may refer to (`v1` kinds)."""

from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, Field

from knative_local.manifests.base import LongName, Name, Resource, Strict
from knative_local.manifests.container import Container

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
    image_pull_secrets: Any = None
    containers: Annotated[tuple[Container, ...], Field(min_length=1, max_length=1)]


class TemplateMetadata(Strict):
    """Labels and annotations of a revision; autoscaling annotations are cluster-only."""

    name: Name | None = None
    labels: Any = None
    annotations: Any = None


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


class Secret(Resource):
    """Settings for `secretKeyRef` and `envFrom`: `data` in Base64, `stringData` as it is."""

    type: str = "Opaque"
    data: dict[str, Base64Bytes] = Field(default_factory=dict)
    string_data: dict[str, str] = Field(default_factory=dict)
    immutable: bool = False


class ClusterOnly(Resource):
    """Accepted, without effect here: a Namespace or a ServiceAccount."""

    spec: Any = None
    secrets: Any = None
    automount_service_account_token: Any = None
    image_pull_secrets: Any = None
