"""CloudEvents as they come over HTTP (CloudEvents HTTP binding 1.0)."""

from typing import NamedTuple
from urllib.parse import unquote

import orjson
from cloudevents.exceptions import GenericException
from cloudevents.http import CloudEvent, from_http
from starlette.requests import Request

from orderflow.errors import InvalidInput
from orderflow.http.request_body import MAX_BODY_BYTES
from orderflow.resources import resources

PLAIN_RECORD = "dev.knative.kafka.event"  # what Knative makes of a record that is no CloudEvent


class RawEvent(NamedTuple):
    """A binary CloudEvent as it came.

    `attributes` are the `ce-` headers as Latin-1 text and the content type; `data` is as much of
    the body as was asked for, `data_bytes` the length of all of it.
    """

    attributes: dict[str, str]
    data: bytes
    data_bytes: int


class ReceivedEvent(NamedTuple):
    """A CloudEvent; `topic` is the one that our KafkaSources add, `data` what is to be JSON."""

    id: str
    source: str
    type: str
    traceparent: str | None
    topic: str | None
    data: bytes


async def raw_event_of(request: Request, kept_bytes: int) -> RawEvent:
    """Return the event of a request, whatever it is, with at most so many bytes of its data."""
    attributes = {}
    for name, value in request.headers.raw:
        if name.startswith(b"ce-"):
            attributes[name[3:].decode("latin-1")] = value.decode("latin-1")
        elif name == b"content-type":
            attributes["datacontenttype"] = value.decode("latin-1")
    return RawEvent(attributes, *await resources().bodies.read_start(request, kept_bytes))


async def event_of(request: Request) -> ReceivedEvent:
    """Return the CloudEvent of a request; raises `InvalidInput` when it is none, or too large."""
    cloud_event = await _cloud_event_of(request)
    attributes = cloud_event.get_attributes()
    for name in ("id", "source", "type", "traceparent"):
        if not isinstance(attributes.get(name, ""), str):
            raise InvalidInput(f"not a CloudEvent: {name} is not text")
    data = cloud_event.get_data()
    return ReceivedEvent(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        attributes.get("traceparent"),
        attributes.get("kafkatopic"),
        data if isinstance(data, bytes) else orjson.dumps(data),
    )


async def _cloud_event_of(request: Request) -> CloudEvent:
    # Binary mode, which is all that Knative's Kafka dispatcher sends, is read here: the SDK's own
    # reading takes ten times as long. Structured mode goes to the SDK.
    body, length_bytes = await resources().bodies.read_start(request, MAX_BODY_BYTES)
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
