"""The `event` and `raw_event` decorators: functions that Knative calls with CloudEvents from Kafka.

The answer decides what becomes of the event: 2xx is done, 422 goes to the dead letter sink at
once, 503 is delivered again.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar
from urllib.parse import unquote

import orjson
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http
from starlette.requests import Request
from starlette.responses import Response

from orderflow.errors import InvalidInput, MalformedBody, OrderFlowError
from orderflow.events.attempts import counted
from orderflow.events.models import EventData
from orderflow.http.handler import Handler, serve
from orderflow.http.request_body import MAX_BODY_BYTES, read_start
from orderflow.logs import bind_log_fields
from orderflow.models import parsed
from orderflow.text import MAX_FILTERED, storable
from orderflow.traceparent import continued, trace_id

E = TypeVar("E", bound=EventData)

# Of a problem's detail as JSON: a dead letter carries the first 1,024 bytes of the whole answer.
MAX_DETAIL_BYTES = 800
PLAIN_RECORD = "dev.knative.kafka.event"  # what Knative makes of a record that is no CloudEvent


class RawEvent(NamedTuple):
    """A binary CloudEvent as it came.

    `attributes` are the `ce-` headers as Latin-1 text and the content type; `data` is as much of
    the body as was asked for, `data_bytes` the length of all of it.
    """

    attributes: dict[str, str]
    data: bytes
    data_bytes: int


def event(model: type[E]) -> Callable[[Callable[[E], Awaitable[None]]], Handler]:
    """Register an async function that takes the data of one type of event.

    An event of another type, over `MAX_BODY_BYTES`, or with data that is not of `model`, is
    answered 422; so is one that has failed too often (see `attempts`).
    """

    def decorate(function: Callable[[E], Awaitable[None]]) -> Handler:
        async def take(request: Request) -> None:
            cloud_event = await cloud_event_of(request)
            attempt = function(_data(cloud_event, model))
            if not hasattr(model, "topic"):  # from a clock, which never tells the same twice
                await attempt
                return
            source, event_id = (cloud_event[name] for name in ("source", "id"))
            name = function.__name__
            await counted(attempt, function=name, source=source, event_id=event_id)

        return _posted(function.__name__, take)

    return decorate


def raw_event(kept_bytes: int) -> Callable[[Callable[[RawEvent], Awaitable[None]]], Handler]:
    """Register an async function that takes any event, whatever it is, as it came.

    It gets at most `kept_bytes` of the event's data; the rest is read and dropped.
    """

    def decorate(function: Callable[[RawEvent], Awaitable[None]]) -> Handler:
        async def take(request: Request) -> None:
            attributes = _raw_attributes(request.headers.raw)
            await function(RawEvent(attributes, *await read_start(request, kept_bytes)))

        return _posted(function.__name__, take)

    return decorate


def _posted(name: str, take: Callable[[Request], Awaitable[None]]) -> Handler:
    async def delivered(request: Request) -> Response:
        try:
            await take(request)
        except OrderFlowError as error:
            _shorten(error)
            raise
        return Response(status_code=204)

    return serve(name, ("POST",), delivered)


def _shorten(error: OrderFlowError) -> None:
    error.errors = ()  # the detail names the first of them
    error.detail = storable(error.detail, MAX_DETAIL_BYTES)
    while len(orjson.dumps(error.detail)) > MAX_DETAIL_BYTES:
        error.detail = error.detail[: len(error.detail) * 3 // 4]


async def cloud_event_of(request: Request) -> CloudEvent:
    """Return the CloudEvent of a request; raises `InvalidInput` when it is none, or too large.

    Binary mode, which is all that Knative's Kafka dispatcher sends, is read here: the SDK's own
    reading takes ten times as long. Structured mode goes to the SDK.
    """
    body, length_bytes = await read_start(request, MAX_BODY_BYTES)
    if length_bytes > MAX_BODY_BYTES:
        raise InvalidInput(f"data of {length_bytes} bytes; at most {MAX_BODY_BYTES} are read")
    try:
        if b"ce-specversion" not in dict(request.headers.raw):
            return from_http(dict(request.headers), body)
        return CloudEvent(_attributes(request.headers.raw), body)
    except (GenericException, TypeError, ValueError) as error:  # the SDK does not wrap all of its
        raise InvalidInput(f"not a CloudEvent: {error}") from error


def _attributes(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    attributes = {
        name[3:].decode(): unquote(value.decode("latin-1"))
        for name, value in headers
        if name.startswith(b"ce-")
    }
    missing = {"id", "source", "type", "specversion"} - attributes.keys()
    if missing:
        raise InvalidInput(f"not a CloudEvent: no ce-{sorted(missing)[0]}")
    return attributes


def _raw_attributes(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    attributes = {}
    for name, value in headers:
        if name.startswith(b"ce-"):
            attributes[name[3:].decode("latin-1")] = value.decode("latin-1")
        elif name == b"content-type":
            attributes["datacontenttype"] = value.decode("latin-1")
    return attributes


def _data(cloud_event: CloudEvent, model: type[E]) -> E:
    attributes = cloud_event.get_attributes()
    for name in ("id", "source", "type", "traceparent"):
        if not isinstance(attributes.get(name, ""), str):
            raise InvalidInput(f"not a CloudEvent: {name} is not text")
    trace = trace_id(continued(attributes.get("traceparent")))
    bind_log_fields(event_id=storable(attributes["id"], MAX_FILTERED), trace_id=trace)
    if attributes["type"] == PLAIN_RECORD:
        raise InvalidInput(f"a record without the headers of a CloudEvent; needs {model.type}")
    if attributes["type"] != model.type:
        raise InvalidInput(f"type is {attributes['type']}, this function takes {model.type}")
    data = cloud_event.get_data()
    try:
        return parsed(data if isinstance(data, bytes) else orjson.dumps(data), model)
    except MalformedBody as error:
        raise InvalidInput(error.detail) from error
