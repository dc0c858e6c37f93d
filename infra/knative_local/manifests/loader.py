"""Reads manifests: every kind the runtime honours, and a refusal of everything else.

A field that is not honoured is refused rather than passed over, so that what runs here means
the same in a cluster. Accepted but without effect on one machine, because they only steer a
cluster: `image`, `resources`, `securityContext`, service accounts, pull secrets, autoscaling
annotations and an HTTPRoute's `parentRefs`; so is what the API server itself adds to an object.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from knative_local.manifests.base import Resource
from knative_local.manifests.documents import ManifestError, documents
from knative_local.manifests.http_route import HTTPRoute
from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.ping_source import PingSource
from knative_local.manifests.service import ClusterOnly, ConfigMap, Secret, Service

KINDS: dict[tuple[str, str], type[Resource]] = {
    ("serving.knative.dev/v1", "Service"): Service,
    ("sources.knative.dev/v1", "KafkaSource"): KafkaSource,
    ("sources.knative.dev/v1", "PingSource"): PingSource,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HTTPRoute,
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "Secret"): Secret,
    ("v1", "Namespace"): ClusterOnly,
    ("v1", "ServiceAccount"): ClusterOnly,
}
# What a server adds to an object's metadata, and `kubectl get -o yaml` prints.
SERVER_SET = (
    *("creationTimestamp", "finalizers", "generation", "managedFields"),
    *("ownerReferences", "resourceVersion", "selfLink", "uid"),
)
# Known fields that need a cluster: they deserve a reason rather than "unknown field".
NOT_HONOURED = {
    "retryAfterMax": "Knative's Kafka dispatcher never reads it",
    "CACerts": "the local runtime serves plain http only",
    "audience": "there is no token issuer in the local runtime",
    "revisionName": "the local runtime runs one revision",
}

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Manifests:
    """All objects that were read, each kind in the order of its files and documents.

    `settings` holds the text of every ConfigMap and Secret by kind, namespace and name.
    """

    services: tuple[Service, ...]
    kafka_sources: tuple[KafkaSource, ...]
    ping_sources: tuple[PingSource, ...]
    routes: tuple[HTTPRoute, ...]
    settings: dict[tuple[str, str, str], dict[str, str]]


def load_manifests(paths: Sequence[Path]) -> Manifests:
    """Read files and folders; raises ManifestError."""
    objects: dict[tuple[str, str, str], tuple[str, Resource]] = {}
    for where, document in documents(paths):
        found = _parse(where, document)
        key = (found.kind, found.namespace, found.name)
        if key in objects:
            raise ManifestError(f"{where}: is also in {objects[key][0]}")
        objects[key] = (where, found)
    if not objects:
        raise ManifestError(f"no manifest in {', '.join(map(str, paths))}")
    for where, found in objects.values():
        for field, name, namespace in found.services():
            if ("Service", namespace or found.namespace, name) not in objects:
                raise ManifestError(f"{where}: {field}: no Service {name} in these manifests")
    read = [found for _, found in objects.values()]
    settings = {key: _settings(found) for key, (_, found) in objects.items()}
    return Manifests(
        services=_only(Service, read),
        kafka_sources=_only(KafkaSource, read),
        ping_sources=_only(PingSource, read),
        routes=_only(HTTPRoute, read),
        settings={key: texts for key, texts in settings.items() if texts is not None},
    )


def find(objects: Iterable[R], name: str) -> R:
    """Return the one that NAMESPACE/NAME means; raises ManifestError."""
    for found in objects:
        if f"{found.namespace}/{found.name}" == name:
            return found
    raise ManifestError(f"no {name} in the manifests")


def _only(kind: type[R], objects: Iterable[Resource]) -> tuple[R, ...]:
    return tuple(found for found in objects if isinstance(found, kind))


def _settings(found: Resource) -> dict[str, str] | None:
    match found:
        case ConfigMap():
            return found.data
        case Secret():
            decoded = {key: value.decode(errors="replace") for key, value in found.data.items()}
            return decoded | found.string_data  # which wins, as in a cluster
    return None


def _parse(where: str, document: dict[str, Any]) -> Resource:
    version, kind = str(document.get("apiVersion")), str(document.get("kind"))
    model = KINDS.get((version, kind))
    if model is None:
        for served, known in KINDS:
            if (served.rpartition("/")[0], known) == (version.rpartition("/")[0], kind):
                raise ManifestError(f"{where}: apiVersion: write {served} instead of {version}")
        raise ManifestError(f"{where}: kind: {version} {kind} is not served by the local runtime")
    written = {name: value for name, value in document.items() if name != "status"}
    match written:
        case {"metadata": dict() as metadata}:
            written["metadata"] = {n: v for n, v in metadata.items() if n not in SERVER_SET}
    match written:
        case {"spec": {"template": {"metadata": dict() as metadata}}}:
            metadata.pop("creationTimestamp", None)
    try:
        # By way of JSON, as Kubernetes reads YAML: lists become tuples, nothing else converts.
        return model.model_validate_json(json.dumps(written))
    except ValidationError as error:
        raise ManifestError(f"{where}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    steps = problem["loc"]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = NOT_HONOURED.get(str(steps[-1]), "unknown field")
    elif problem["type"] == "missing":
        message = "is missing"
    return f"{path.removeprefix('.')}: {message}"
