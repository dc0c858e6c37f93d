"""Which function answers a request: the rules of all HTTPRoutes as one table.

Precedence is Gateway API's (HTTPRouteRule): an exact path before any prefix, a longer prefix
before a shorter one, then a match that names the method before one that does not, then the order
of the manifests. A path that exists with other methods is told apart from one that does not.

A path is its segments: split at the slashes written as such, then percent-decoded once, so that
`%2F` is part of a segment. What a proxy or a function could read as another path is no path.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from knative_local.gateway.problems import Problem
from knative_local.manifests.http_route import HTTPRoute, RouteMatch

Segments = tuple[bytes, ...]
Methods = dict[bytes | None, str]
"""What one path leads to, by method; None is any method."""


# A percent sign that escapes nothing, a control character, or a dot segment.
_AMBIGUOUS = re.compile(rb"%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-Fa-f]|7[Ff])|/\.\.?(?:/|$)")


class Hosts:
    """The routes of one hostname pattern: `` (any), `name`, or `*.suffix`."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._exact: dict[Segments, Methods] = {}
        self._prefixes: dict[Segments, Methods] = {}

    def add(self, match: RouteMatch, service: str) -> None:
        """Add one match of a rule."""
        path, method = _segments(match.path.value.encode()), (match.method or "").encode() or None
        if match.path.type == "Exact":
            self._exact.setdefault(path, {}).setdefault(method, service)  # the first manifest wins
            return
        self._prefixes.setdefault(path if path[-1] else path[:-1], {}).setdefault(method, service)
        longest_first = sorted(self._prefixes.items(), key=lambda item: -len(item[0]))
        self._prefixes = dict(longest_first)

    def matches(self, host: str) -> bool:
        """Whether this pattern covers the host of a request."""
        if self.pattern.startswith("*."):
            return host.endswith(self.pattern[1:])
        return not self.pattern or host == self.pattern

    def find(self, method: bytes, path: Segments) -> str | set[bytes]:
        """Return the Service that answers, or the methods that the path has instead."""
        found = [self._exact[path]] if path in self._exact else []
        found += [
            methods for prefix, methods in self._prefixes.items() if path[: len(prefix)] == prefix
        ]
        for methods in found:
            if service := methods.get(method) or methods.get(None):
                return service
        return {name for methods in found for name in methods if name}


class RouteTable:
    """Every rule of every route."""

    def __init__(self, routes: Iterable[HTTPRoute]) -> None:
        hosts: dict[str, Hosts] = {}
        for route in routes:
            for hostname in route.spec.hostnames or ("",):
                table = hosts.setdefault(hostname.lower(), Hosts(hostname.lower()))
                for rule in route.spec.rules:
                    for match in rule.matches:
                        table.add(match, rule.backend_refs[0].name)
        # Exact names first, then wildcards from the longest, then routes for any host.
        self._hosts = sorted(
            hosts.values(), key=lambda h: (not h.pattern, "*" in h.pattern, -len(h.pattern))
        )

    def find(self, host: bytes, method: bytes, path: bytes) -> str:
        """Return the Service that answers this request; raises `Problem` (400, 404, 405).

        `path` is raw, without its query.
        """
        if _AMBIGUOUS.search(path):
            detail = "a path has no dot segments and no control characters, and its % is %25"
            raise Problem(HTTPStatus.BAD_REQUEST, detail, close=True)
        segments = _segments(path)
        name = host.decode("latin-1").lower().rsplit(":", 1)[0]
        methods = set[bytes]()
        for table in self._hosts:
            if table.matches(name):
                found = table.find(method, segments)
                if isinstance(found, str):
                    return found
                methods |= found
        if not methods:
            raise Problem(HTTPStatus.NOT_FOUND, "no route has this path")
        allow = [(b"allow", b", ".join(sorted(methods)))]
        detail = f"use {b' or '.join(sorted(methods)).decode()}"
        raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow)


def _segments(path: bytes) -> Segments:
    return tuple(map(unquote_to_bytes, path[1:].split(b"/")))
