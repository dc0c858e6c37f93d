"""The `http` decorator: a function that answers HTTP calls through functions-framework.

It adds what every such function needs: `/healthz`, `/readyz` and `/metrics`, the method check, one
place that turns errors into RFC 9457 problems, and one log line a call.
"""

import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import functions_framework.aio
import orjson
from gunicorn.config import ControlSocketDisable
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.auth.authentication import Authentication, anonymous
from orderflow.auth.caller import Scope, caller_of
from orderflow.database.connection import Connection
from orderflow.errors import ConfigurationError, Later, MethodNotAllowed, OrderFlowError
from orderflow.http.path import segments_of
from orderflow.logs import begin_log_fields, bind_log_fields, logger
from orderflow.metrics.process import metrics
from orderflow.metrics.workers import places
from orderflow.resources import resources
from orderflow.server.admission import raise_open_file_limit
from orderflow.server.application import Application
from orderflow.server.graceful_shutdown import stopping
from orderflow.server.startup import lifespan_of
from orderflow.tracing.spans import begin_call, end_call, spans

if TYPE_CHECKING:
    from orderflow.metrics.exposition import Further

Handler = Callable[[Request], Awaitable[Response]]

READY_PATH = ("readyz",)
HEALTH_PATHS = (("healthz",), READY_PATH)
METRICS_PATH = ("metrics",)
MAX_PATH = 256  # characters of a path in a log line

_log_level: ContextVar[int] = ContextVar("log_level")
_applications: dict[str, Application] = {}  # by function: a file may have several


def http(
    *methods: str,
    scope: Scope | None,
    needs_database: bool = True,
    further: "Further | None" = None,
) -> Callable[[Handler], Handler]:
    """Register an async function from `Request` to `Response`; other methods are answered 405.

    Its caller needs a token with this scope, or none at all if that is None. A function that wants
    more on one of its paths asks `caller_of(request).require(...)`. One that needs no database is
    ready without it. Its metrics are those of every function, and what `further` returns.
    """

    def decorate(function: Handler) -> Handler:
        async def allowed(request: Request) -> Response:
            if scope is not None:
                caller_of(request).require(scope)
            return await function(request)

        who = (lambda: anonymous) if scope is None else (lambda: resources().callers)
        return serve(
            function.__name__,
            methods,
            allowed,
            who,
            needs_database=needs_database,
            further=further,
        )

    return decorate


def serve(
    name: str,
    methods: tuple[str, ...],
    handler: Handler,
    who: Callable[[], Authentication],
    *,
    needs_database: bool = True,
    further: "Further | None" = None,
) -> Handler:
    """Make the handler known to functions-framework under a name, with all that is around it.

    `who` returns what tells who calls, or raises `ConfigurationError`; then nobody is served.
    """

    async def routed(request: Request) -> Response:
        authenticate = who()
        segments = segments_of(request)
        if segments in HEALTH_PATHS:
            return await health(ready=needs_database and segments == READY_PATH)
        if segments == METRICS_PATH:
            return await scraped(request, name, further)
        request.scope["caller"] = await authenticate(request)
        if request.method not in methods:
            raise MethodNotAllowed(methods)
        return await handler(request)

    def check() -> None:
        spans()
        who()

    answer = handle_errors(name, routed)
    # The framework has no option for its application, nor one to switch off gunicorn's control
    # socket, which all functions of a user would share.
    ControlSocketDisable.default = True
    _applications[name] = Application(answer, lifespan_of(name, check))
    places()  # before the workers are forked
    cast(Any, functions_framework.aio).Starlette = _application
    return cast(Handler, functions_framework.aio.http(answer))


def _application(routes: Sequence[Route], **_: object) -> Application:
    return _applications[routes[0].name]


def handle_errors(name: str, handler: Handler) -> Handler:
    """Wrap a handler so that every error becomes a problem and every call a log line."""

    async def traced(request: Request, *_: object) -> Response:
        begin_log_fields(method=request.method, path=request.scope["path"][:MAX_PATH])
        call = begin_call(name, request.headers)
        response = await answered(request)
        if call is not None:
            end_call(call, request.method, response.status_code)
        return response

    async def answered(request: Request) -> Response:
        started = time.perf_counter()
        _log_level.set(logging.INFO)
        try:
            response = await handler(request)
        except OrderFlowError as error:
            response = problem(error)
            bind_log_fields(error=error.detail)
        except ConfigurationError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (no logger yet)
            return problem(Later(str(error), retry_after_s=10))
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # a fault of ours: the log has it, the caller gets no stack trace
            logger().exception("fault")
            return problem(OrderFlowError("a fault of ours; the log says more"))
        duration_ms = round((time.perf_counter() - started) * 1000, 2)
        told = {"status": response.status_code, "duration_ms": duration_ms}
        logger().log(_log_level.get(), "answered", **told)
        if stopping():
            response.headers["Connection"] = "close"
        return response

    traced.__name__ = name
    return traced


def log_as_routine() -> None:
    """Have the call at hand logged at debug: a probe, or a tick that found nothing to do."""
    _log_level.set(logging.DEBUG)


def json_response(
    content: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def replay_header(is_new: bool) -> dict[str, str]:
    """Return the header that marks the answer to a request that was answered before."""
    return {} if is_new else {"Idempotent-Replayed": "true"}


def problem(error: OrderFlowError) -> Response:
    """Return the error as `application/problem+json` (RFC 9457)."""
    metrics().problems.add(error.slug, str(error.status))
    content = orjson.dumps(error.problem())
    return Response(content, error.status, error.headers, "application/problem+json")


async def health(*, ready: bool) -> Response:
    """Answer a probe.

    Ready means: configured, and has reached the database once. Later outages are answered by the
    function itself, with 503 and Retry-After, which beats a caller that hangs at a proxy.
    """
    process = resources()
    if ready and not process.has_reached_database:
        raise_open_file_limit()
        await process.worker.submit(Connection.ping)
        process.has_reached_database = True
    log_as_routine()
    return json_response({"status": "ok"})


async def scraped(request: Request, function: str, further: "Further | None") -> Response:
    """Answer with the metrics of a function. No route leads here: it is for who is inside."""
    from orderflow.metrics.exposition import exposition  # noqa: PLC0415 (a twentieth of a start)

    text, media_type = await exposition(function, request.headers.get("accept", ""), further)
    log_as_routine()
    return Response(text, 200, {"Content-Type": media_type})
