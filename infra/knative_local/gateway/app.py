"""The gateway as an ASGI application: the routes of some manifests, one function behind each."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from knative_local.errors import LocalRuntimeError
from knative_local.gateway.function import Function
from knative_local.gateway.headers import Head
from knative_local.gateway.problems import Problem, send_problem
from knative_local.gateway.routing import AmbiguousPath, NotFound, RouteTable
from knative_local.manifests.loader import Manifests


class Gateway:
    """The routes of some manifests, served from `resolve`: Service name to base URL."""

    def __init__(
        self, manifests: Manifests, resolve: Mapping[str, str], *, max_waiting: int
    ) -> None:
        backends = {r.backend_refs[0].name for t in manifests.routes for r in t.spec.rules}
        if unknown := sorted(backends - resolve.keys()):
            raise LocalRuntimeError(f"no --resolve NAME=URL for {', '.join(unknown)}")
        self._routes = RouteTable(manifests.routes)
        self._functions = {
            service.name: Function(
                resolve[service.name],
                timeout_s=service.revision.timeout_seconds,
                concurrency=service.revision.container_concurrency,
                max_waiting=max_waiting,
            )
            for service in manifests.services
            if service.name in resolve
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            head = Head(scope)
            found = self._routes.find(head.host, scope["method"].encode(), scope["raw_path"])
            if isinstance(found, NotFound):
                raise _not_routed(found, head)
            await self._functions[found].forward(scope, head, receive, send)
        except AmbiguousPath:
            detail = "a path has no dot segments and no control characters, and its % is %25"
            await send_problem(send, Problem(HTTPStatus.BAD_REQUEST, detail, close=True))
        except Problem as problem:
            await send_problem(send, problem)


def _not_routed(found: NotFound, head: Head) -> Problem:
    close = head.upgrades or head.has_body
    if not found.methods:
        return Problem(HTTPStatus.NOT_FOUND, "no route has this path", close=close)
    allow = [(b"allow", b", ".join(sorted(found.methods)))]
    detail = f"use {b' or '.join(sorted(found.methods)).decode()}"
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers=allow, close=close)
