"""`gateway.networking.k8s.io/v1 HTTPRoute`: which path and method goes to which Service."""

from typing import Annotated, Literal

from pydantic import Field

from knative_local.manifests.base import LongName, Name, Resource, Strict
from knative_local.manifests.service import Port

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


class PathMatch(Strict):
    """The whole path, or a prefix of whole path elements (/a matches /a/b but not /ab)."""

    type: Literal["Exact", "PathPrefix"] = "PathPrefix"
    value: Annotated[str, Field(pattern=r"^/[^?#]*$", max_length=1024)] = "/"


class RouteMatch(Strict):
    """A request that matches: every given condition holds."""

    path: PathMatch = PathMatch()
    method: Method | None = None


class BackendRef(Strict):
    """The Service that answers."""

    kind: Literal["Service"] = "Service"
    name: Name
    namespace: Name | None = None
    port: Port


class RouteRule(Strict):
    """Matches, any of which is enough, and the one backend."""

    name: Name | None = None
    matches: Annotated[tuple[RouteMatch, ...], Field(min_length=1)] = (RouteMatch(),)
    backend_refs: Annotated[tuple[BackendRef, ...], Field(min_length=1, max_length=1)]


class ParentRef(Strict):
    """The Gateway in the cluster; locally there is one gateway for all routes."""

    group: str = "gateway.networking.k8s.io"
    kind: str = "Gateway"
    name: LongName
    namespace: Name | None = None
    section_name: str | None = None
    port: Port | None = None


class RouteSpec(Strict):
    """Hosts (all when empty) and rules."""

    parent_refs: tuple[ParentRef, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: Annotated[tuple[RouteRule, ...], Field(min_length=1)]


class HTTPRoute(Resource):
    """Routes of the gateway."""

    spec: RouteSpec
