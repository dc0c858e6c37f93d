"""YAML as Kubernetes reads it: no dates, no key twice."""

from typing import Any

import yaml


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


def documents(text: str) -> list[Any]:
    """All documents of one file, empty ones left out; raises yaml.YAMLError."""
    return [found for found in yaml.load_all(text, _Loader) if found is not None]
