"""What a dead letter tells: the event as it came, parted from what the dispatcher added to it.

The rules of what is added are those of eventing-kafka-broker 1.23 (RecordDispatcherImpl,
CloudEventOverridesMutator). Nothing here refuses anything: what does not fit is cut or left out.
"""

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from orderflow.events.cloudevent import PLAIN_RECORD, RawEvent
from orderflow.events.models import EVENTS
from orderflow.models import digest
from orderflow.text import MAX_FILTERED, sanitize_text

MAX_URL = 2_000  # characters, as much as a URL can have to be understood everywhere
MAX_ERROR = 1_000  # characters; Knative hands on no more than 1,024 bytes

# What the dispatcher, and ceOverrides of the sources, have added to the event.
_ADDED = re.compile(r"knativekafka(partition|offset)|knativeerror.*|kafka(topic|consumer)")
_ENTITIES = {model.type: model.key for model in EVENTS}
_NAMED = ("order_id", "item")
_NO_ANSWER = "no answer: it was not running, or silent for longer than the source's timeout"


def letter_of(event: RawEvent) -> dict[str, Any]:
    """Return the event's columns of `dead_letters` for a statement's JSON parameter.

    `data` goes as Base64. Equal events of one destination have an equal `identity`.
    """
    came = {sanitize_text(name): sanitize_text(value) for name, value in event.attributes.items()}
    added = {name: value for name, value in came.items() if _ADDED.fullmatch(name)}
    attributes = {name: value for name, value in came.items() if name not in added}
    destination = added.get("knativeerrordest", "unknown")
    of_type, event_id = attributes.get("type", ""), attributes.get("id", "")
    # A plain record's id is its place on the topic, which starts again when a broker loses its log.
    told_at = attributes.get("time") if of_type == PLAIN_RECORD else None
    return {
        "identity": digest([destination, attributes.get("source"), event_id, told_at]),
        "event_id": event_id[:MAX_FILTERED],
        "type": of_type[:MAX_FILTERED],
        **_entities(event, attributes),
        "topic": added.get("kafkatopic", "")[:MAX_FILTERED] or None,
        "kafka_partition": _number(added.get("knativekafkapartition"), digits=9),
        "kafka_offset": _number(added.get("knativekafkaoffset"), digits=18),
        "attributes": attributes,
        "data": base64.b64encode(event.data).decode(),
        "data_bytes": event.data_bytes,
        "destination": destination[:MAX_URL],
        "consumer": _consumer(added, destination)[:MAX_FILTERED],
        **_failure(added),
    }


def _entities(event: RawEvent, attributes: dict[str, str]) -> dict[str, str | None]:
    try:
        data = orjson.loads(event.data) if len(event.data) == event.data_bytes else None
    except orjson.JSONDecodeError:
        data = None
    subject = {_ENTITIES.get(attributes.get("type", "")): unquote(attributes.get("subject", ""))}
    told = data if isinstance(data, dict) else {}
    return {name: _text(told.get(name)) or _text(subject.get(name)) for name in _NAMED}


def _consumer(added: dict[str, str], destination: str) -> str:
    # A source of ours names its function, whatever its host is called.
    try:
        host = urlsplit(destination).hostname
    except ValueError:
        host = None
    return added.get("kafkaconsumer") or host or "unknown"


def _text(value: object) -> str | None:
    return sanitize_text(value, MAX_FILTERED) or None if isinstance(value, str) else None


def _failure(added: dict[str, str]) -> dict[str, Any]:
    code = _number(added.get("knativeerrorcode"), digits=3)
    if code is None:
        return {"error_code": None, "error_type": None, "error": _NO_ANSWER}
    encoded = added.get("knativeerrordata", "")
    try:
        body = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        body = encoded.encode()
    try:
        problem = orjson.loads(body)
        of_type, error = problem["type"].rpartition("/")[2][:MAX_FILTERED], problem["detail"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        of_type, error = None, body.decode(errors="replace")
    text = sanitize_text(str(error), MAX_ERROR) or f"answered {code} without saying why"
    return {"error_code": code, "error_type": of_type and sanitize_text(of_type), "error": text}


def _number(text: str | None, *, digits: int) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= digits else None
