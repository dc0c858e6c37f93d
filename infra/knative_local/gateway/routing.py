"""Which function answers a request: the rules of all HTTPRoutes as one table.

Precedence is Gateway API's (HTTPRouteRule): an exact path before any prefix, a longer prefix
before a shorter one, then a match that names the method before one that does not, then the order
of the manifests. A path that exists with other methods is told apart from one that does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from knative_local.manifests.http_route import HTTPRoute, RouteMatch


@dataclass(frozen=True, slots=True)
class Found:
    """The name of the Service that answers."""

    service: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """No route has this path; or only with `methods`, when there are any."""

    methods: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class _Path:
    """What one path (or prefix) of one host leads to, by method; None is any method."""

    services: dict[bytes | None, Found] = field(default_factory=dict)

    def add(self, match: RouteMatch, service: str) -> None:
        method = match.method.encode() if match.method else None
        self.services.setdefault(method, Found(service))  # the first manifest wins

    def find(self, method: bytes) -> Found | None:
        return self.services.get(method) or self.services.get(None)


class Hosts:
    """The routes of one hostname pattern: `` (any), `name`, or `*.suffix`."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._exact: dict[bytes, _Path] = {}
        self._prefixes: dict[bytes, _Path] = {}

    def add(self, match: RouteMatch, service: str) -> None:
        """Add one match of a rule."""
        path = match.path.value.encode()
        if match.path.type == "Exact":
            self._exact.setdefault(path, _Path()).add(match, service)
            return
        self._prefixes.setdefault(path.rstrip(b"/"), _Path()).add(match, service)
        longest_first = sorted(self._prefixes.items(), key=lambda item: -len(item[0]))
        self._prefixes = dict(longest_first)

    def matches(self, host: str) -> bool:
        """Whether this pattern covers the host of a request."""
        if self.pattern.startswith("*."):
            return host.endswith(self.pattern[1:])
        return not self.pattern or host == self.pattern

    def find(self, method: bytes, path: bytes) -> Found | NotFound:
        """Return who answers, or the methods that the path has instead."""
        exact = self._exact.get(path)
        if exact and (found := exact.find(method)):
            return found
        methods: set[bytes] = set(_named(exact))
        for prefix, entry in self._prefixes.items():
            if path == prefix or path.startswith(prefix + b"/"):
                if found := entry.find(method):
                    return found
                methods |= _named(entry)
        return NotFound(frozenset(methods))


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
        self._any_host = len(self._hosts) == 1 and not self._hosts[0].pattern

    def find(self, host: bytes, method: bytes, path: bytes) -> Found | NotFound:
        """Return who answers this request; `path` is raw, without its query."""
        if self._any_host:
            return self._hosts[0].find(method, path)
        name = host.decode("latin-1").lower().rsplit(":", 1)[0]
        methods: frozenset[bytes] = frozenset()
        for table in self._hosts:
            if table.matches(name):
                found = table.find(method, path)
                if isinstance(found, Found):
                    return found
                methods |= found.methods
        return NotFound(methods)


def _named(entry: _Path | None) -> set[bytes]:
    return {method for method in entry.services if method} if entry else set()
