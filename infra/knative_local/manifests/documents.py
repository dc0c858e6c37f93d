"""The objects in files of YAML, read as Kubernetes reads it: no dates, no key twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from knative_local.errors import LocalRuntimeError


class ManifestError(LocalRuntimeError):
    """A manifest that cannot be honoured: `file: document n (Kind/name): path: reason`."""


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


def documents(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of files and folders (`*.yaml`, `*.yml`, recursively, sorted), and its place.

    Those of a List one by one; kustomizations are passed over.
    """
    for path in paths:
        below = (file for file in path.rglob("*.y*ml") if file.suffix in {".yaml", ".yml"})
        for file in sorted(below) if path.is_dir() else [path]:
            for number, document in enumerate(_read(file), start=1):
                yield from _objects(f"{file}: document {number}", document)


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
