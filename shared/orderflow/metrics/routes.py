"""Paths as they are counted: by what the contract calls them, never by the names in them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from orderflow.metrics.series import OTHER

TEMPLATES = (
    "/",  # where events are sent
    "/healthz",
    "/readyz",
    "/metrics",
    "/order",
    "/order/{order_id}",
    "/order/{order_id}/retry",
    "/orders",
    "/inventory",
    "/inventory/{item}",
    "/inventory/changes",
    "/inventory/changes/{change_id}",
    "/dead-letters",
    "/dead-letters/{letter_id}",
    "/dead-letters/redrive",
    "/dead-letters/discard",
    "/dead-letters/redrives",
    "/overview",
    "/audits",
    "/audits/{audit_id}",
    "/console",
    "/console/{file}",
    "/docs",
    "/openapi.json",
    "/problems/{type}",
)
Pattern = tuple[str | None, ...]  # None is any segment

_EXACT = {tuple(path.split("/")[1:]): path for path in TEMPLATES if "{" not in path}


def _named() -> Mapping[int, Sequence[tuple[Pattern, str]]]:
    found: dict[int, list[tuple[Pattern, str]]] = defaultdict(list)
    for path in TEMPLATES:
        if "{" in path:
            pattern = tuple(None if part[:1] == "{" else part for part in path.split("/")[1:])
            found[len(pattern)].append((pattern, path))
    return found


_NAMED = _named()


def template_of(segments: tuple[str, ...] | None) -> str:
    """Return the template of a path, or `other`; None is a path that could not be read."""
    if segments is None:
        return OTHER
    if segments in _EXACT:
        return _EXACT[segments]
    for pattern, path in _NAMED.get(len(segments), ()):
        if all(part in {None, segment} for part, segment in zip(pattern, segments, strict=True)):
            return path
    return OTHER
