"""The `event` and `raw_event` decorators: functions that Knative calls with CloudEvents from Kafka.

The answer decides what becomes of the event: 2xx is done, 422 goes to the dead letter sink at
once, 503 is delivered again.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Literal, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.errors import InvalidInput, MalformedBody, Never, OrderFlowError
from orderflow.events.attempts import count_failures
from orderflow.events.cloudevent import PLAIN_RECORD, RawEvent, event_of, raw_event_of
from orderflow.events.models import EVENTS, EventData
from orderflow.http.handler import Handler, serve
from orderflow.http.request import parsed
from orderflow.logs import bind_log_fields
from orderflow.metrics.process import metrics
from orderflow.resources import resources
from orderflow.text import MAX_FILTERED, sanitize_text
from orderflow.traceparent import trace_id, traceparent_or_new

E = TypeVar("E", bound=EventData)

# Of a problem's detail as JSON: a dead letter carries the first 1,024 bytes of the whole answer.
MAX_DETAIL_BYTES = 800

# What became of an event. One that failed comes again, one refused goes to the dead letters.
Outcome = Literal["done", "ignored", "failed", "refused"]


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

    def decorate(function: Callable[[E], Awaitable[None]]) -> Handler:
        ignored = count(1)

        async def take(request: Request) -> Outcome:
            attributes, data, _ = await event_of(request)
            event_id, of_type = attributes["id"], attributes["type"]
            trace = trace_id(traceparent_or_new(attributes.get("traceparent")))
            bind_log_fields(event_id=sanitize_text(event_id, MAX_FILTERED), trace_id=trace)
            is_other = of_type in others or attributes.get("kafkatopic") in topics
            if is_other and not whole_topic and of_type not in {*taken, PLAIN_RECORD}:
                name = sanitize_text(of_type, MAX_FILTERED)
                bind_log_fields(ignored_type=name, ignored=next(ignored))
                return "ignored"
            attempt = function(_data_of(of_type, data, taken))
            if taken[of_type].topic is not None:  # a clock never tells the same twice
                name, source = function.__name__, attributes["source"]
                attempt = count_failures(attempt, name, source, event_id)
            await attempt
            _count_age(of_type, attributes.get("time"))
            return "done"

        return _posted(function.__name__, take)

    return decorate


def raw_event(kept_bytes: int) -> Callable[[Callable[[RawEvent], Awaitable[None]]], Handler]:
    """Register an async function that takes any event as it came, its data up to `kept_bytes`."""

    def decorate(function: Callable[[RawEvent], Awaitable[None]]) -> Handler:
        async def take(request: Request) -> Outcome:
            await function(await raw_event_of(request, kept_bytes))
            return "done"

        return _posted(function.__name__, take)

    return decorate


def _posted(name: str, take: Callable[[Request], Awaitable[Outcome]]) -> Handler:
    async def delivered(request: Request) -> Response:
        outcome: Outcome = "failed"
        try:
            outcome = await take(request)
        except OrderFlowError as error:
            outcome = "refused" if isinstance(error, Never) else "failed"
            error.errors = ()  # the detail names the first of them
            error.detail = sanitize_text(error.detail, MAX_DETAIL_BYTES)
            while len(orjson.dumps(error.detail)) > MAX_DETAIL_BYTES:
                error.detail = error.detail[: len(error.detail) * 3 // 4]
            raise
        finally:
            metrics().taken.add(outcome)
        return Response(status_code=204)

    return serve(name, ("POST",), delivered, lambda: resources().senders)


def _count_age(of_type: str, time: str | None) -> None:
    with suppress(TypeError, ValueError):  # events of others may have no time, or none like this
        told = datetime.fromisoformat(time or "")
        metrics().ages.observe((datetime.now(UTC) - told).total_seconds(), of_type)


def _data_of(of_type: str, data: bytes, taken: dict[str, type[E]]) -> E:
    names = " or ".join(taken)
    if of_type == PLAIN_RECORD:
        raise InvalidInput(f"a record without the headers of a CloudEvent; needs {names}")
    if of_type not in taken:
        raise InvalidInput(f"type is {of_type}, this function takes {names}")
    try:
        return parsed(data, taken[of_type])
    except MalformedBody as error:
        raise InvalidInput(error.detail) from error
