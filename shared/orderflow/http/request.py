"""What a handler reads from a request: its body as a model, a name in its path, its headers."""

import json
import re
from collections import Counter
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from orderflow.errors import MalformedBody, NotJson
from orderflow.http.faults import invalid_input
from orderflow.http.idempotency import refuse_preconditions
from orderflow.logs import bind_log_fields
from orderflow.models import NoFields
from orderflow.resources import resources
from orderflow.text import MAX_FILTERED, sanitize_text
from orderflow.traceparent import trace_id, traceparent_or_new
from orderflow.tracing.spans import traceparent_of_call

M = TypeVar("M", bound=BaseModel)
# Required, because a browser lets any page send a body without one, or as text or a form.
_IS_JSON = re.compile(r"application/(?:[\w.!#$&^-]+\+)?json\s*(?:;.*)?", re.ASCII | re.IGNORECASE)


async def body_of(request: Request, model: type[M], *, empty: bytes = b"") -> M:
    """Return the request's JSON body as `model`; `empty` is what an empty one stands for.

    Raises `NotJson` (415), `MalformedBody` (400), `InvalidInput` (422) or what `read_body` and
    `refuse_preconditions` do.
    """
    refuse_preconditions(request)
    if not _IS_JSON.fullmatch(request.headers.get("content-type", "")):
        raise NotJson("send Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise NotJson("send the body as it is, without Content-Encoding")
    return parsed(await resources().bodies.read_body(request) or empty, model)


async def no_body_of(request: Request) -> None:
    """Take a call that says all in its path: its body is empty or `{}`; raises as `body_of`."""
    await body_of(request, NoFields, empty=b"{}")


def parsed(body: bytes, model: type[M]) -> M:
    """Return JSON text as `model`; raises `MalformedBody` (400) or `InvalidInput` (422)."""
    try:
        read = model.model_validate_json(body)
        _UNIQUE_NAMES.decode(body.decode())
        return read
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise MalformedBody(first["msg"]) from error
        raise invalid_input(error) from error


def _refuse_repeated(members: list[tuple[str, object]]) -> None:
    if len(dict(members)) < len(members):
        counts = Counter(name for name, _ in members)
        name = sanitize_text(max(counts, key=lambda name: counts[name]), MAX_FILTERED)
        raise MalformedBody(f"{name} is given {max(counts.values())} times")


# Two readers of a repeated name take one value each. The model's own reader bounds the nesting.
_UNIQUE_NAMES = json.JSONDecoder(object_pairs_hook=_refuse_repeated, parse_int=len, parse_float=len)


def gateway_of(request: Request) -> str:
    """Return the URL of the gateway that the caller came through, as `http://127.0.0.1:8080`."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    return f"{scheme}://{request.headers.get('x-forwarded-host', request.url.netloc)}"


def traceparent_of(request: Request) -> str:
    """Return the trace context for what the call begets, and put its id into the log line.

    That is the call's own span where traces are exported, else the caller's, or a new one.
    """
    caller = request.headers.get("traceparent")
    traceparent = traceparent_of_call() or traceparent_or_new(caller)
    bind_log_fields(trace_id=trace_id(traceparent))
    return traceparent
