"""The `http` decorator: a function that answers HTTP calls through functions-framework.

It adds what every such function needs: `/healthz` and `/readyz`, the method check, one place that
turns errors into RFC 9457 problems, and one log line a call.
"""

import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import unquote

import functions_framework.aio
import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orderflow.batch import worker
from orderflow.bodies import read_body
from orderflow.config import settings
from orderflow.database import Connection
from orderflow.errors import (
    ConfigurationError,
    InvalidInput,
    Later,
    MethodNotAllowed,
    NotFound,
    NotJson,
    OrderFlowError,
)
from orderflow.logs import logger
from orderflow.models import IdempotencyKey, parsed
from orderflow.overload import allow_connections
from orderflow.stopping import stopping
from orderflow.trace import continued, trace_id

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]

HEALTH_PATHS = ("/healthz", "/readyz")

# What a function wants in its call's log line: order_id, event_id and the like.
_noted: ContextVar[dict[str, Any]] = ContextVar("noted")


def http(*methods: str) -> Callable[[Handler], Handler]:
    """Register an async function that takes a Starlette `Request` and returns a `Response`.

    Other methods than those given are answered 405.
    """

    def decorate(function: Handler) -> Handler:
        async def routed(request: Request) -> Response:
            if request.scope["path"] in HEALTH_PATHS:
                return await health(request.scope["path"])
            if request.method not in methods:
                raise MethodNotAllowed(methods)
            return await function(request)

        return register(answering(function.__name__, routed))

    return decorate


def register(handler: Handler) -> Handler:
    """Make the handler known to functions-framework under its name."""
    return cast(Handler, functions_framework.aio.http(handler))


def answering(name: str, handler: Handler) -> Handler:
    """Wrap a handler so that every error becomes a problem and every call a log line."""

    @wraps(handler)
    async def answered(request: Request) -> Response:
        started = time.perf_counter()
        noted: dict[str, Any] = {}
        _noted.set(noted)
        try:
            response = await handler(request)
        except OrderFlowError as error:
            response = problem(error)
            noted["error"] = error.detail
        except ConfigurationError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (no logger yet)
            return problem(Later(str(error), retry_after_s=10))
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # a fault of ours: the log has it, the caller gets no stack trace
            logger().exception("fault", **noted)
            return problem(OrderFlowError("a fault of ours; the log says more"))
        duration_ms = round((time.perf_counter() - started) * 1000, 2)
        logger().info("answered", status=response.status_code, duration_ms=duration_ms, **noted)
        if stopping():
            response.headers["Connection"] = "close"
        return response

    answered.__name__ = name
    return answered


def note(**fields: object) -> None:
    """Add fields to the log line of the call at hand."""
    _noted.get({}).update(fields)


async def body_of(request: Request, model: type[M]) -> M:
    """Return the request's JSON body as `model`.

    Raises `NotJson` (415), `MalformedBody` (400), `InvalidInput` (422) or what `read_body` does.
    """
    content_type = request.headers.get("content-type", "application/json").partition(";")[0]
    if content_type.strip().lower() != "application/json":
        raise NotJson("send Content-Type: application/json")
    return parsed(await read_body(request), model)


def path_name(request: Request, prefix: str) -> str:
    """Return what follows `prefix` in the path, as the one name it must be.

    Raises `NotFound` (404). A slash inside a name comes percent-encoded.
    """
    path = request.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
    name = path.removeprefix(prefix)
    if name == path or not name or "/" in name:
        raise NotFound(f"no such path; use {prefix}NAME")
    return unquote(name)


def traceparent_of(request: Request) -> str:
    """Return the caller's trace context, or a new one, and put its id into the log line."""
    traceparent = continued(request.headers.get("traceparent"))
    note(trace_id=trace_id(traceparent))
    return traceparent


def idempotency_key_of(request: Request) -> str | None:
    """Return the `Idempotency-Key` header, if there is one; raises `InvalidInput` (422)."""
    key = request.headers.get("idempotency-key")
    try:
        return None if key is None else _IDEMPOTENCY_KEY.validate_python(key)
    except ValidationError as error:
        fault = {"field": "Idempotency-Key", "message": error.errors()[0]["msg"]}
        raise InvalidInput(f"Idempotency-Key: {fault['message']}", errors=[fault]) from error


_IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


def json_response(
    content: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def problem(error: OrderFlowError) -> Response:
    """Return the error as `application/problem+json` (RFC 9457)."""
    content = orjson.dumps(error.problem())
    return Response(content, error.status, error.headers, "application/problem+json")


_reached: set[str] = set()


async def health(path: str) -> Response:
    """Answer a probe.

    Ready means: configured, and has reached the database once. Later outages are answered by the
    function itself, with 503 and Retry-After, which beats a caller that hangs at a proxy.
    """
    if path == "/readyz" and not _reached:
        settings()
        allow_connections()
        await worker().submit(Connection.ping)
        _reached.add(path)
    return json_response({"status": "ok"})
