"""The `event` and `raw_event` decorators: functions that Knative calls with CloudEvents from Kafka.

The answer decides what becomes of the event: 2xx is done, 422 goes to the dead letter sink at
once, 503 is delivered again.
"""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.errors import InvalidInput, MalformedBody, OrderFlowError
from orderflow.events.attempts import count_failures
from orderflow.events.cloudevent import (
    PLAIN_RECORD,
    RawEvent,
    ReceivedEvent,
    event_of,
    raw_event_of,
)
from orderflow.events.models import EVENTS, EventData
from orderflow.http.handler import Handler, serve
from orderflow.logs import bind_log_fields
from orderflow.models import parsed
from orderflow.text import MAX_FILTERED, sanitize_text
from orderflow.traceparent import trace_id, traceparent_or_new

E = TypeVar("E", bound=EventData)

# Of a problem's detail as JSON: a dead letter carries the first 1,024 bytes of the whole answer.
MAX_DETAIL_BYTES = 800


def event(
    *models: type[E], whole_topic: bool = False
) -> Callable[[Callable[[E], Awaitable[None]]], Handler]:
    """Register an async function that takes the data of one or several types of event.

    Another type on the same topic is answered 204 and counted in the log line, unless the function
    is to take its `whole_topic`: then it is answered 422. So is any other event, one over
    `MAX_BODY_BYTES`, one with data that is not of its model, and one that has failed too often
    (see `attempts`).
    """
    taken: dict[str, type[E]] = {model.type: model for model in models}
    topics = {model.topic for model in models} - {None}
    others = {model.type for model in EVENTS if model.topic in topics} - taken.keys()

    def is_ignored(received: ReceivedEvent) -> bool:
        if whole_topic or received.type in taken or received.type == PLAIN_RECORD:
            return False
        return received.type in others or received.topic in topics

    def decorate(function: Callable[[E], Awaitable[None]]) -> Handler:
        ignored = count(1)

        async def take(request: Request) -> None:
            received = await event_of(request)
            trace = trace_id(traceparent_or_new(received.traceparent))
            bind_log_fields(event_id=sanitize_text(received.id, MAX_FILTERED), trace_id=trace)
            if is_ignored(received):
                of_type = sanitize_text(received.type, MAX_FILTERED)
                bind_log_fields(ignored_type=of_type, ignored=next(ignored))
                return
            model = _model_of(received, taken)
            attempt = function(_data_of(received, model))
            if model.topic is not None:  # a clock never tells the same twice
                attempt = count_failures(attempt, function.__name__, received.source, received.id)
            await attempt

        return _posted(function.__name__, take)

    return decorate


def raw_event(kept_bytes: int) -> Callable[[Callable[[RawEvent], Awaitable[None]]], Handler]:
    """Register an async function that takes any event, whatever it is, as it came.

    It gets at most `kept_bytes` of the event's data; the rest is read and dropped.
    """

    def decorate(function: Callable[[RawEvent], Awaitable[None]]) -> Handler:
        async def take(request: Request) -> None:
            await function(await raw_event_of(request, kept_bytes))

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
    error.detail = sanitize_text(error.detail, MAX_DETAIL_BYTES)
    while len(orjson.dumps(error.detail)) > MAX_DETAIL_BYTES:
        error.detail = error.detail[: len(error.detail) * 3 // 4]


def _model_of(received: ReceivedEvent, taken: dict[str, type[E]]) -> type[E]:
    if received.type in taken:
        return taken[received.type]
    names = " or ".join(taken)
    if received.type == PLAIN_RECORD:
        raise InvalidInput(f"a record without the headers of a CloudEvent; needs {names}")
    raise InvalidInput(f"type is {received.type}, this function takes {names}")


def _data_of(received: ReceivedEvent, model: type[E]) -> E:
    try:
        return parsed(received.data, model)
    except MalformedBody as error:
        raise InvalidInput(error.detail) from error
