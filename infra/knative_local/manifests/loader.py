"""Reads manifests: every kind the runtime honours, and a refusal of everything else.

A field that is not honoured is refused rather than passed over, so that what runs here means
the same in a cluster. Accepted but without effect on one machine, because they only steer a
cluster: `image`, `resources`, `securityContext`, service accounts, pull secrets, autoscaling
annotations and an HTTPRoute's `parentRefs`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.base import Resource
from knative_local.manifests.http_route import HTTPRoute
from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.ping_source import PingSource
from knative_local.manifests.references import missing_service
from knative_local.manifests.service import ConfigMap, Namespace, Service, ServiceAccount
from knative_local.manifests.yaml_documents import documents

KINDS: dict[tuple[str, str], type[Resource]] = {
    ("serving.knative.dev/v1", "Service"): Service,
    ("sources.knative.dev/v1", "KafkaSource"): KafkaSource,
    ("sources.knative.dev/v1", "PingSource"): PingSource,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HTTPRoute,
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "Namespace"): Namespace,
    ("v1", "ServiceAccount"): ServiceAccount,
}
# Known fields that need a cluster: they deserve a reason rather than "unknown field".
NOT_HONOURED = {
    "net": "TLS and SASL to Kafka are not available in the local runtime",
    "retryAfterMax": "Knative's Kafka dispatcher never reads it",
    "CACerts": "the local runtime serves plain http only",
    "audience": "there is no token issuer in the local runtime",
    "traffic": "the local runtime runs one revision",
}

R = TypeVar("R", bound=Resource)


class ManifestError(LocalRuntimeError):
    """A manifest that cannot be honoured: `file: document n (Kind/name): path: reason`."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """All objects that were read, each kind in the order of its files and documents."""

    services: tuple[Service, ...]
    kafka_sources: tuple[KafkaSource, ...]
    ping_sources: tuple[PingSource, ...]
    routes: tuple[HTTPRoute, ...]
    config_maps: tuple[ConfigMap, ...]


def load_manifests(paths: Iterable[Path]) -> Manifests:
    """Read files and folders (`*.yaml`, `*.yml`, recursively, sorted); raises ManifestError."""
    objects: dict[tuple[str, str, str], tuple[str, Resource]] = {}
    for where, document in _documents(paths):
        found = _parse(where, document)
        key = (found.kind, found.namespace, found.name)
        if key in objects:
            raise ManifestError(f"{where}: is also in {objects[key][0]}")
        objects[key] = (where, found)
    services = {key[1:] for key in objects if key[0] == "Service"}
    for where, found in objects.values():
        if missing := missing_service(found, services):
            raise ManifestError(f"{where}: {missing}")
    read = [found for _, found in objects.values()]
    return Manifests(
        services=_only(Service, read),
        kafka_sources=_only(KafkaSource, read),
        ping_sources=_only(PingSource, read),
        routes=_only(HTTPRoute, read),
        config_maps=_only(ConfigMap, read),
    )


def _only(kind: type[R], objects: Iterable[Resource]) -> tuple[R, ...]:
    return tuple(found for found in objects if isinstance(found, kind))


def _documents(paths: Iterable[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        for file in _files(path):
            yield from _documents_of(file)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*.y*ml") if file.suffix in {".yaml", ".yml"})
    return [path]


def _documents_of(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
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
        yield f"{where} ({_title(document)})", document


def _title(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document.get('kind', '?')}/{name or '?'}"


def _parse(where: str, document: dict[str, Any]) -> Resource:
    model = KINDS.get((str(document.get("apiVersion")), str(document.get("kind"))))
    if model is None:
        kind = f"{document.get('apiVersion')} {document.get('kind')}"
        raise ManifestError(f"{where}: kind: {kind} is not served by the local runtime")
    try:
        # By way of JSON, as Kubernetes reads YAML: lists become tuples, nothing else converts.
        return model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ManifestError(f"{where}: {_first_problem(error)}") from error


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
