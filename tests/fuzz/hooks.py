"""What is sent, made what is meant: to JSON Schema 1.0 is an integer, and here it is none."""

import re
import uuid
from typing import Any

import schemathesis

from orderflow.models import PLAIN_TEXT

KEY = "Idempotency-Key"
MAX_KEY = 255
# A time's first and last day that in UTC may be in no year from 1 to 9999; no pattern can tell.
EDGES = ("0001-01-01", "9999-12-31")


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Send whole numbers without a point."""
    return _whole(body)


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Leave out times at the edges of the calendar."""
    return not (isinstance(body, dict) and str(body.get("occurred_at")).startswith(EDGES))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """Give each call a key of its own: the same key with another body is rightly refused."""
    key = (case.headers or {}).get(KEY)
    if isinstance(key, str) and re.search(PLAIN_TEXT, key) and len(key) <= MAX_KEY:
        own = f"-{uuid.uuid4().hex}"
        case.headers[KEY] = key[: MAX_KEY - len(own)] + own
