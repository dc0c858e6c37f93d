"""Kafka records that already are CloudEvents, as CloudEvents' Java SDK 4.0 reads them."""

import base64
import json
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from knative_local.cloudevents.event import Event, trace_headers
from knative_local.cloudevents.java_text import json_text

Headers = dict[str, bytes | None]

_STRUCTURED = "application/cloudevents+json"
_ANY_CLOUDEVENT = "application/cloudevents"
_VERSIONS = frozenset({"1.0", "0.3"})
_EXTENSION = re.compile(r"[a-z0-9]+")
# java.net.URI: no blanks or delimiters, complete percent escapes; text outside ASCII is fine.
_URI = re.compile(r"""(?:[^\x00-\x20\x7f"<>\\^`{|}%]|%[0-9A-Fa-f]{2})*""")
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE
)
_JSON_TYPE = re.compile(r"(application|text)/([a-z.+-]*\+)?json\s*(;.*)?", re.IGNORECASE)
_INT32 = range(-(2**31), 2**31)


def cloudevent(headers: Headers, value: bytes | None) -> Event | None:
    """The event a record holds, or None if the record is plain; `headers` last one wins."""
    content_type = (headers.get("content-type") or b"").decode("utf-8", "replace")
    try:
        if content_type.startswith(_ANY_CLOUDEVENT):
            structured = content_type.partition(";")[0].strip() == _STRUCTURED
            return _structured(headers, value) if structured else None
        return _binary(headers, value) if headers.get("ce_specversion") else None
    except (ValueError, RecursionError):
        # Said below, or bad UTF-8, bad JSON, bad Base64; or a nest too deep, which Jackson refuses
        # beyond 1,000 levels and Python somewhat earlier.
        return None


def _binary(headers: Headers, value: bytes | None) -> Event:
    attributes = {}
    for name, raw in headers.items():
        if raw is not None and name.startswith("ce_"):
            attributes[name[3:].lower()] = raw.decode("utf-8", "replace")
    content_type = attributes.pop("datacontenttype", None)
    if (raw := headers.get("content-type")) is not None:
        content_type = raw.decode("utf-8", "replace")
    return Event(_checked(attributes), content_type, value or None, trace_headers(headers))


def _structured(headers: Headers, value: bytes | None) -> Event:
    text = (value or b"").decode("utf-8").lstrip(" \t\r\n")
    found, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    content_type = _optional_text(found, "datacontenttype")
    if content_type is None and "data" in found:
        content_type = "application/json"
    data = _data(found, content_type)
    attributes = {name: _attribute_text(name, item) for name, item in found.items()}
    return Event(_checked(attributes), content_type, data, trace_headers(headers))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _optional_text(found: dict[str, Any], name: str) -> str | None:
    value = found.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _data(found: dict[str, Any], content_type: str | None) -> bytes | None:
    if "data" in found and "data_base64" in found:
        raise ValueError("both data and data_base64")
    encoding = (
        _optional_text(found, "datacontentencoding") if found.get("specversion") == "0.3" else None
    )
    if "data_base64" in found or (encoding == "base64" and "data" in found):
        name = "data_base64" if "data_base64" in found else "data"
        encoded = _optional_text(found, name)
        if encoded is None:
            raise ValueError(f"{name} is no text")
        return base64.b64decode(encoded, validate=True)
    if "data" not in found:
        return None
    data = found.pop("data")
    if _JSON_TYPE.fullmatch(content_type or ""):
        return json_text(data).encode()
    if not isinstance(data, str):
        raise ValueError("data is no text")
    return data.encode()


def _attribute_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name in {"specversion", "id", "source", "type", "subject", "time", "dataschema"}:
        raise ValueError(f"{name} is no text")
    if isinstance(value, float) or (isinstance(value, int) and value not in _INT32):
        raise ValueError(f"{name} is no 32-bit integer")
    return json_text(value)


def _checked(attributes: dict[str, str]) -> dict[str, str]:
    if attributes.get("specversion") not in _VERSIONS:
        raise ValueError("unknown specversion")
    for name, value in attributes.items():
        if not _is(_EXTENSION, name):
            raise ValueError(f"{name} is no name of an extension")
        if name in {"source", "dataschema"} and not _is(_URI, value):
            raise ValueError(f"{name} is no URI")
    if not attributes.keys() >= {"id", "source", "type"}:
        raise ValueError("without id, source or type")
    if "time" in attributes:
        attributes["time"] = _time_text(attributes["time"])
    return attributes


@lru_cache(maxsize=512)  # the events of a topic share their names and sources
def _is(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _time_text(text: str) -> str:
    """The time as Java's ISO_OFFSET_DATE_TIME prints it: no zeros at the end of a fraction."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("time is no RFC 3339 time")
    day, minute, second, fraction, zone = found.groups()
    datetime.fromisoformat(f"{day}T{minute}:{second or '00'}")
    digits = (fraction or "").rstrip("0")
    zone = "Z" if zone in {"z", "+00:00", "-00:00"} else zone
    return f"{day}T{minute}:{second or '00'}{'.' + digits if digits else ''}{zone}"
