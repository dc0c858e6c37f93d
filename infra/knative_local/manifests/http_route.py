"""`gateway.networking.k8s.io/v1 HTTPRoute`: which path and method goes to which Service."""

from typing import Annotated, Any, Literal

from pydantic import Field

from knative_local.manifests.base import Name, Port, Resource, ServiceName, Strict

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


class PathMatch(Strict):
    """The whole path, or a prefix of whole path elements (/a matches /a/b but not /ab)."""

    type: Literal["Exact", "PathPrefix"] = "PathPrefix"
    value: Annotated[str, Field(pattern=r"^/[^?#]*$", max_length=1024)] = "/"


class RouteMatch(Strict):
    """A request that matches: every given condition holds."""

    path: PathMatch = PathMatch()
    method: Method | None = None


class BackendRef(ServiceName):
    """The Service that answers; with one alone, any weight means all."""

    group: Literal[""] = ""
    kind: Literal["Service"] = "Service"
    port: Port
    weight: Annotated[int, Field(ge=1)] = 1


class RouteRule(Strict):
    """Matches, any of which is enough, and the one backend."""

    name: Name | None = None
    matches: Annotated[tuple[RouteMatch, ...], Field(min_length=1)] = (RouteMatch(),)
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=1)]


class RouteSpec(Strict):
    """Hosts (all when empty) and rules."""

    parent_refs: Any = None  # the Gateway in a cluster; here there is one for all routes
    hostnames: tuple[str, ...] = ()
    rules: Annotated[tuple[RouteRule, ...], Field(min_length=1)]


class HTTPRoute(Resource):
    """Routes of the gateway."""

    spec: RouteSpec
