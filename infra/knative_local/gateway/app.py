"""The gateway as an ASGI application: the routes of some manifests, one function behind each."""

from collections.abc import Mapping
from time import perf_counter

from starlette.types import Receive, Scope, Send

from knative_local.errors import LocalRuntimeError
from knative_local.gateway.function import Function
from knative_local.gateway.headers import Head
from knative_local.gateway.problems import Problem, send_problem
from knative_local.gateway.routing import RouteTable
from knative_local.manifests.loader import Manifests
from knative_local.metrics import ACTIVE, NO_ROUTE, Requests


class Gateway:
    """The routes of some manifests, served from `resolve`: Service name to base URL."""

    def __init__(
        self, manifests: Manifests, resolve: Mapping[str, str], *, max_waiting: int
    ) -> None:
        backends = {r.backend_refs[0].name for t in manifests.routes for r in t.spec.rules}
        if unknown := sorted(backends - resolve.keys()):
            raise LocalRuntimeError(f"no --resolve NAME=URL for {', '.join(unknown)}")
        self._routes = RouteTable(manifests.routes)
        self._requests, self._active = Requests(), 0
        ACTIVE.set_function(lambda: self._active)
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
        head, service, status, began_s = None, NO_ROUTE, 0, perf_counter()
        self._active += 1
        try:
            head = Head(scope)
            service = self._routes.find(head.host, scope["method"].encode(), scope["raw_path"])
            status = await self._functions[service].forward(scope, head, receive, send)
        except Problem as problem:
            status = int(problem.status)
            if head is not None:
                problem.close = problem.close or head.upgrades or head.unread
            await send_problem(send, problem)
        finally:
            self._active -= 1
            self._requests.ended(service, scope["method"], status, perf_counter() - began_s)
