"""The `event` decorator: a function that Knative calls with CloudEvents from Kafka.

The answer decides what becomes of the event: 2xx is done, 422 goes to the dead letter sink at
once, 503 is delivered again.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import unquote

import orjson
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http
from starlette.requests import Request
from starlette.responses import Response

from orderflow.errors import InvalidInput, MalformedBody, MethodNotAllowed
from orderflow.events import EventData
from orderflow.trace import continued, trace_id
from orderflow.web import HEALTH_PATHS, answering, health, note, parsed, register

E = TypeVar("E", bound=EventData)
Handler = Callable[[Request], Awaitable[Response]]


def event(model: type[E]) -> Callable[[Callable[[E], Awaitable[None]]], Handler]:
    """Register an async function that takes the data of one type of event.

    An event of another type, or with data that is not of `model`, is answered 422.
    """

    def decorate(function: Callable[[E], Awaitable[None]]) -> Handler:
        async def delivered(request: Request) -> Response:
            if request.scope["path"] in HEALTH_PATHS:
                return await health(request.scope["path"])
            if request.method != "POST":
                raise MethodNotAllowed(("POST",))
            await function(_data(await cloud_event_of(request), model))
            return Response(status_code=204)

        return register(answering(function.__name__, delivered))

    return decorate


async def cloud_event_of(request: Request) -> CloudEvent:
    """Return the CloudEvent of a request; raises `InvalidInput` when it is none.

    Binary mode, which is all that Knative's Kafka dispatcher sends, is read here: the SDK's own
    reading takes ten times as long. Structured mode goes to the SDK.
    """
    body = await request.body()
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


def _data(cloud_event: CloudEvent, model: type[E]) -> E:
    attributes = cloud_event.get_attributes()
    for name in ("id", "type", "traceparent"):
        if not isinstance(attributes.get(name, ""), str):
            raise InvalidInput(f"not a CloudEvent: {name} is not text")
    note(event_id=attributes["id"], trace_id=trace_id(continued(attributes.get("traceparent"))))
    if attributes["type"] != model.type:
        raise InvalidInput(f"type is {attributes['type']}, this function takes {model.type}")
    data = cloud_event.get_data()
    try:
        return parsed(data if isinstance(data, bytes) else orjson.dumps(data), model)
    except MalformedBody as error:
        raise InvalidInput(error.detail) from error
