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
OPTIONAL = ("traceparent", "kafkatopic", "time")
# Of some fifteen headers these are read: decoding all takes longer than the rest of the reading.
_HEADERS = {name: f"ce-{name}".encode() for name in (*REQUIRED, *OPTIONAL)}


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
    """Return the CloudEvent of a request, the required attributes there and decoded.

    In binary mode there are no others but the `OPTIONAL` ones. Raises `InvalidInput` when it is no
    CloudEvent, or its data is over `MAX_BODY_BYTES`.
    """
    data, data_bytes = await resources().bodies.read_start(request, MAX_BODY_BYTES)
    if data_bytes > MAX_BODY_BYTES:
        raise InvalidInput(f"data of {data_bytes} bytes; at most {MAX_BODY_BYTES} are read")
    # Binary mode, which is all that Knative's Kafka dispatcher sends, is read here: the SDK's own
    # reading takes ten times as long.
    given = dict(request.headers.raw)
    if _HEADERS["specversion"] in given:
        found = {name: given[header] for name, header in _HEADERS.items() if header in given}
        attributes = {name: unquote(value.decode("latin-1")) for name, value in found.items()}
    else:
        attributes, data = _structured(request, data)
    for name in REQUIRED:
        if name not in attributes:
            raise InvalidInput(f"not a CloudEvent: no ce-{name}")
    for name in (*REQUIRED, *OPTIONAL):
        if not isinstance(attributes.get(name, ""), str):
            raise InvalidInput(f"not a CloudEvent: {name} is not text")
    if attributes["specversion"] not in {"0.3", "1.0"}:
        raise InvalidInput("not a CloudEvent: its specversion is neither 1.0 nor 0.3")
    return RawEvent(attributes, data, data_bytes)


def _structured(request: Request, body: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        read = from_http(dict(request.headers), body)
        data: Any = read.get_data()
        text = data if isinstance(data, bytes) else orjson.dumps(data)
    except (GenericException, RecursionError, TypeError, ValueError) as error:
        # The SDK does not wrap all of its own, and reads what can't be written again.
        raise InvalidInput(f"not a CloudEvent: {error}") from error
    return dict(read.get_attributes()), text
