"""Log lines of the runtime's own processes: one JSON object a line on standard error."""

import sys
from datetime import UTC, datetime
from typing import Any

import orjson


def log(level: str, event: str, **fields: Any) -> None:
    """Write one line: time, level, event, and the fields that explain it."""
    line = {"time": datetime.now(UTC).isoformat(), "level": level, "event": event, **fields}
    sys.stderr.buffer.write(orjson.dumps(line, default=str) + b"\n")
    sys.stderr.buffer.flush()
