"""Reads manifests: every kind the runtime honours, and a refusal of everything else.

A field that is not honoured is refused rather than passed over, so that what runs here means
the same in a cluster. Accepted but without effect on one machine, because they only steer a
cluster: `image`, `resources`, `securityContext`, service accounts, pull secrets, autoscaling
annotations, an empty folder at `/tmp` and an HTTPRoute's `parentRefs`; so is what the API server
itself adds to an object.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.base import Resource, ServiceName
from knative_local.manifests.http_route import HTTPRoute
from knative_local.manifests.service import ClusterOnly, ConfigMap, Secret, Service
from knative_local.manifests.sources import KafkaSource, PingSource

KINDS: dict[tuple[str, str], type[Resource]] = {
    ("serving.knative.dev/v1", "Service"): Service,
    ("sources.knative.dev/v1", "KafkaSource"): KafkaSource,
    ("sources.knative.dev/v1", "PingSource"): PingSource,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HTTPRoute,
    ("v1", "ConfigMap"): ConfigMap,
    ("v1", "Secret"): Secret,
    ("v1", "Namespace"): ClusterOnly,
    ("v1", "ServiceAccount"): ClusterOnly,
    ("networking.k8s.io/v1", "NetworkPolicy"): ClusterOnly,
}
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
    """Read files and folders; raises ManifestError."""
    objects: dict[tuple[str, str, str], tuple[str, Resource]] = {}
    for where, document in _documents(paths):
        found = _parse(where, document)
        key = (found.kind, found.namespace, found.name)
        if key in objects:
            raise ManifestError(f"{where}: is also in {objects[key][0]}")
        objects[key] = (where, found)
    if not objects:
        raise ManifestError(f"no manifest in {', '.join(map(str, paths))}")
    for where, found in objects.values():
        for field, service in _named_services(found):
            if ("Service", service.namespace or found.namespace, service.name) not in objects:
                missing = f"no Service {service.name} in these manifests"
                raise ManifestError(f"{where}: {field[1:]}: {missing}")
    read = [found for _, found in objects.values()]
    return Manifests(
        services=_only(Service, read),
        kafka_sources=_only(KafkaSource, read),
        ping_sources=_only(PingSource, read),
        routes=_only(HTTPRoute, read),
        settings={
            key: _texts(found)
            for key, (_, found) in objects.items()
            if isinstance(found, ConfigMap | Secret)
        },
    )


def find(objects: Iterable[R], name: str) -> R:
    """Return the one that NAMESPACE/NAME means; raises ManifestError."""
    for found in objects:
        if f"{found.namespace}/{found.name}" == name:
            return found
    raise ManifestError(f"no {name} in the manifests")


def _only(kind: type[R], objects: Iterable[Resource]) -> tuple[R, ...]:
    return tuple(found for found in objects if isinstance(found, kind))


def _named_services(part: Any, path: str = "") -> Iterator[tuple[str, ServiceName]]:
    match part:
        case ServiceName():
            yield path, part
        case BaseModel():
            for name, value in part:
                yield from _named_services(value, f"{path}.{to_camel(name)}")
        case tuple():
            for index, value in enumerate(part):
                yield from _named_services(value, f"{path}[{index}]")


def _texts(found: ConfigMap | Secret) -> dict[str, str]:
    if isinstance(found, ConfigMap):
        return found.data
    decoded = {key: value.decode(errors="replace") for key, value in found.data.items()}
    return decoded | found.string_data  # which wins, as in a cluster


def _parse(where: str, document: dict[str, Any]) -> Resource:
    version, kind = str(document.get("apiVersion")), str(document.get("kind"))
    model = KINDS.get((version, kind))
    if model is None:
        for served, known in KINDS:
            if (served.rpartition("/")[0], known) == (version.rpartition("/")[0], kind):
                raise ManifestError(f"{where}: apiVersion: write {served} instead of {version}")
        raise ManifestError(f"{where}: kind: {version} {kind} is not served by the local runtime")
    try:
        # By way of JSON, as Kubernetes reads YAML: lists become tuples, nothing else converts.
        return model.model_validate_json(json.dumps(document))
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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without timestamps, which JSON does not have."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that is there twice, of which PyYAML would keep the last."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"key {key.value!r} twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _documents(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of files and folders (`*.yaml`, `*.yml`, recursively, sorted), and its place.

    Those of a List one by one; kustomizations are passed over, and hidden folders: where a
    ConfigMap is mounted, its files are in one of these and linked to from beside it.
    """
    for path in paths:
        below = (file for file in path.rglob("*.y*ml") if _is_manifest(file.relative_to(path)))
        for file in sorted(below) if path.is_dir() else [path]:
            for number, document in enumerate(_read(file), start=1):
                yield from _objects(f"{file}: document {number}", document)


def _is_manifest(file: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.parts)
    return file.suffix in {".yaml", ".yml"} and not hidden


def _read(file: Path) -> list[Any]:
    try:
        loaded = yaml.load_all(file.read_text(encoding="utf-8"), _Loader)
        found = [document for document in loaded if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: {' '.join(str(error).split())}") from error
    return [] if file.stem == "kustomization" else found


def _objects(where: str, document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    match document:
        case {"kind": "Kustomization"}:
            return
        case {"kind": "List"}:
            for number, item in enumerate(document.get("items") or (), start=1):
                yield from _objects(f"{where} item {number}", item)
        case dict():
            metadata = document.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            yield f"{where} ({document.get('kind', '?')}/{name or '?'})", document
        case _:
            raise ManifestError(f"{where}: is no object")
