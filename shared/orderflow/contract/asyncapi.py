"""The events on Kafka as AsyncAPI 3, and the JSON Schema of each event's data."""

from itertools import groupby
from typing import Any

from orderflow.contract.examples import event_example
from orderflow.contract.schemas import Schema, schema_of_event
from orderflow.events.models import EVENTS, KafkaEventData

VERSION = "1.0.0"  # a type's name ends with its own version; this is the document's

_DESCRIPTION = """\
CloudEvents 1.0 in Kafka's binary binding: attributes are ce_ headers, the value is the data as \
JSON. An event is a hint to look, may come more than once and in any order, and keeps its id: a \
reader drops what it has seen and orders what is of one order by sequence."""
_TEXT: Schema = {"type": "string", "minLength": 1}
_TRACEPARENT: Schema = {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"}


def urn_of(of_type: str) -> str:
    """Return the URN of a type's schema, which is the event's `dataschema`."""
    return f"urn:{of_type.replace('.', ':', 1)}"


def event_schema(model: type[KafkaEventData]) -> Schema:
    """Return the JSON Schema of an event's data."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | {"$id": urn_of(model.type)} | schema_of_event(model)


def asyncapi() -> dict[str, Any]:
    """Return the document; each schema is a file beside it, in `events`."""
    by_topic = groupby(EVENTS, key=lambda model: model.topic)
    channels = {topic: [model.type for model in models] for topic, models in by_topic}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "OrderFlow",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            topic: {
                "address": topic,
                "messages": {
                    of_type: {"$ref": f"#/components/messages/{of_type}"} for of_type in types
                },
            }
            for topic, types in channels.items()
        },
        "operations": {
            f"send_{topic}": {"action": "send", "channel": {"$ref": f"#/channels/{topic}"}}
            for topic in channels
        },
        "components": {"messages": {model.type: _message(model) for model in EVENTS}},
    }


def _message(model: type[KafkaEventData]) -> Schema:
    headers = {
        "content-type": {"const": "application/json"},
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "format": "uuid"},
        "ce_source": _TEXT,
        "ce_type": {"const": model.type},
        "ce_subject": _TEXT | {"description": f"The {model.key}, percent-encoded."},
        "ce_partitionkey": _TEXT | {"description": "The same."},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"const": urn_of(model.type)},
        "ce_traceparent": _TRACEPARENT,
        "traceparent": _TRACEPARENT,
    }
    counted = {"ce_sequence": {"type": "string", "pattern": "^[1-9][0-9]*$"}}
    names = [*headers, *(counted if model.key == "order_id" else ())]
    return {
        "name": model.type,
        "title": model.__name__,
        "summary": model.__doc__,
        "headers": {"type": "object", "properties": headers | counted, "required": names},
        "payload": {"$ref": f"events/{model.type}.json"},
        "bindings": {"kafka": {"key": _TEXT | {"description": f"The {model.key}."}}},
        "examples": [{"payload": event_example(model)}],
    }
