"""What is sent, made what is meant: to JSON Schema 1.0 is an integer, and here it is none."""

import re
import uuid
from typing import Any

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Send whole numbers without a point."""
    return _whole(body)


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
    if isinstance(key, str) and re.fullmatch("[!-~]{1,200}", key):
        case.headers[KEY] = f"{key}-{uuid.uuid4().hex}"
