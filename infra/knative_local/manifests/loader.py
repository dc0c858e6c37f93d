"""Reads manifests: every kind the runtime honours, and a refusal of everything else.

A field that is not honoured is refused rather than passed over, so that what runs here means
the same in a cluster. Accepted but without effect on one machine, because they only steer a
cluster: `image`, `resources`, `securityContext`, service accounts, pull secrets, autoscaling
annotations and an HTTPRoute's `parentRefs`; so is what the API server itself adds to an object.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.base import Resource
from knative_local.manifests.http_route import HTTPRoute
from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.ping_source import PingSource
from knative_local.manifests.service import ClusterOnly, ConfigMap, Secret, Service
from knative_local.manifests.yaml_documents import documents

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


class ManifestError(LocalRuntimeError):
    """A manifest that cannot be honoured: `file: document n (Kind/name): path: reason`."""


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
    """Read files and folders (`*.yaml`, `*.yml`, recursively, sorted); raises ManifestError."""
    objects: dict[tuple[str, str, str], tuple[str, Resource]] = {}
    files = chain.from_iterable(_files(path) for path in paths)
    for where, document in chain.from_iterable(map(_documents, files)):
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
    return Manifests(
        services=_only(Service, read),
        kafka_sources=_only(KafkaSource, read),
        ping_sources=_only(PingSource, read),
        routes=_only(HTTPRoute, read),
        settings={
            (found.kind, found.namespace, found.name): found.values
            for found in read
            if isinstance(found, ConfigMap | Secret)
        },
    )


def _only(kind: type[R], objects: Iterable[Resource]) -> tuple[R, ...]:
    return tuple(found for found in objects if isinstance(found, kind))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*.y*ml") if file.suffix in {".yaml", ".yml"})
    return [path]


def _documents(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        found = documents(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: {' '.join(str(error).split())}") from error
    for number, document in enumerate(found, start=1):
        where = f"{file}: document {number}"
        if not isinstance(document, dict):
            raise ManifestError(f"{where}: is no object")
        if document.get("kind") == "Kustomization" or file.stem == "kustomization":
            continue
        if document.get("kind") == "List":
            for index, item in enumerate(document.get("items") or ()):
                yield f"{where} item {index + 1} ({_title(item)})", item
        else:
            yield f"{where} ({_title(document)})", document


def _title(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document.get('kind', '?')}/{name or '?'}"


def _parse(where: str, document: dict[str, Any]) -> Resource:
    version, kind = str(document.get("apiVersion")), str(document.get("kind"))
    model = KINDS.get((version, kind))
    if model is None:
        group = version.rpartition("/")[0]
        for known, known_kind in KINDS:
            if (known.rpartition("/")[0], known_kind) == (group, kind):
                raise ManifestError(f"{where}: apiVersion: write {known} instead of {version}")
        raise ManifestError(f"{where}: kind: {version} {kind} is not served by the local runtime")
    try:
        # By way of JSON, as Kubernetes reads YAML: lists become tuples, nothing else converts.
        return model.model_validate_json(json.dumps(_as_written(document)))
    except ValidationError as error:
        raise ManifestError(f"{where}: {_first_problem(error)}") from error


def _as_written(document: dict[str, Any]) -> dict[str, Any]:
    """The object without what the API server adds to it."""
    match document:
        case {"spec": {"template": {"metadata": dict() as metadata}}}:
            metadata.pop("creationTimestamp", None)
    match document:
        case {"metadata": dict() as metadata}:
            for name in SERVER_SET:
                metadata.pop(name, None)
    return {name: value for name, value in document.items() if name != "status"}


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    path = ""
    for step in problem["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    last = str(problem["loc"][-1]) if problem["loc"] else ""
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = NOT_HONOURED.get(last, "unknown field")
    elif problem["type"] == "missing":
        message = "is missing"
    return f"{path.removeprefix('.')}: {message}"
