"""Structured logs: one JSON line an event on standard output, where Knative collects it."""

import asyncio
import json
import sys
from functools import cache
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from orderflow.config import log_settings

FLUSH_AFTER_S = 0.02  # lines are gathered so long, and at most so much is lost by a kill -9


@cache
def logger() -> FilteringBoundLogger:
    """Return the process's logger, bound to the name of its function."""
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(log_settings().log_level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, _Gathering(sys.stdout.buffer))),
    )
    bound: FilteringBoundLogger = structlog.get_logger(function=log_settings().k_service)
    return bound


class _Gathering:
    """Writes the lines of a few milliseconds at once.

    A write lets another thread have the interpreter, and getting it back takes longer than the
    request that is being logged.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            self._flush_soon()

    def flush(self) -> None:
        """Do nothing: structlog asks for it after each line."""

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self._flush)
        except RuntimeError:  # not in an event loop, as in the database's thread
            self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._stream.write(b"".join(lines))
        self._stream.flush()


def _dumps(line: dict[str, Any], **_: Any) -> bytes:
    try:
        return orjson.dumps(line, default=str)
    except TypeError:  # text that is none, as half of a surrogate pair: here it goes escaped
        return json.dumps(line, default=str).encode()
