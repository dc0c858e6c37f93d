"""Log lines of the runtime's own processes: one JSON object a line on standard error."""

import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from knative_local.printable import printable


def log(level: str, event: str, **fields: Any) -> None:
    """Write one line: time, level, event, and the fields that explain it."""
    line = {"time": datetime.now(UTC).isoformat(), "level": level, "event": event, **fields}
    text = printable(orjson.dumps(line, default=str).decode())
    sys.stderr.buffer.write(text.encode() + b"\n")
    sys.stderr.buffer.flush()
