"""CloudEvents as they come over HTTP (CloudEvents HTTP binding 1.0)."""

from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from cloudevents.exceptions import GenericException
from cloudevents.http import from_http
from starlette.requests import Request

from orderflow.errors import InvalidInput
from orderflow.http.request_body import MAX_BODY_BYTES
from orderflow.resources import resources

PLAIN_RECORD = "dev.knative.kafka.event"  # what Knative makes of a record that is no CloudEvent
REQUIRED = ("id", "source", "type", "specversion")


class RawEvent(NamedTuple):
    """A binary CloudEvent as it came.

    `attributes` are the `ce-` headers as Latin-1 text and the content type; `data` is as much of
    the body as was asked for, `data_bytes` the length of all of it.
    """

    attributes: dict[str, str]
    data: bytes
    data_bytes: int


async def raw_event_of(request: Request, kept_bytes: int) -> RawEvent:
    """Return the event of a request, whatever it is, with at most so many bytes of its data."""
    attributes = {}
    for name, value in request.headers.raw:
        if name.startswith(b"ce-"):
            attributes[name[3:].decode("latin-1")] = value.decode("latin-1")
        elif name == b"content-type":
            attributes["datacontenttype"] = value.decode("latin-1")
    return RawEvent(attributes, *await resources().bodies.read_start(request, kept_bytes))


async def event_of(request: Request) -> RawEvent:
    """Return the CloudEvent of a request, its attributes decoded and the required ones there.

    Raises `InvalidInput` when it is none, or its data is over `MAX_BODY_BYTES`.
    """
    raw = await raw_event_of(request, MAX_BODY_BYTES)
    if raw.data_bytes > MAX_BODY_BYTES:
        raise InvalidInput(f"data of {raw.data_bytes} bytes; at most {MAX_BODY_BYTES} are read")
    # Binary mode, which is all that Knative's Kafka dispatcher sends, is read here: the SDK's own
    # reading takes ten times as long.
    if "specversion" in raw.attributes:
        decoded = {name: unquote(value) for name, value in raw.attributes.items()}
        event = raw._replace(attributes=decoded)
    else:
        event = _structured(request, raw)
    for name in REQUIRED:
        if name not in event.attributes:
            raise InvalidInput(f"not a CloudEvent: no ce-{name}")
    for name in (*REQUIRED, "traceparent", "kafkatopic"):
        if not isinstance(event.attributes.get(name, ""), str):
            raise InvalidInput(f"not a CloudEvent: {name} is not text")
    if event.attributes["specversion"] not in {"0.3", "1.0"}:
        raise InvalidInput("not a CloudEvent: its specversion is neither 1.0 nor 0.3")
    return event


def _structured(request: Request, raw: RawEvent) -> RawEvent:
    try:
        read = from_http(dict(request.headers), raw.data)
        data: Any = read.get_data()
        text = data if isinstance(data, bytes) else orjson.dumps(data)
    except (GenericException, RecursionError, TypeError, ValueError) as error:
        # The SDK does not wrap all of its own, and reads what can't be written again.
        raise InvalidInput(f"not a CloudEvent: {error}") from error
    return raw._replace(attributes=dict(read.get_attributes()), data=text)
