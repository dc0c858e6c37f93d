"""Structured logs: one JSON line an event on standard output, where Knative collects it."""

import asyncio
import atexit
import json
import os
import sys
from contextvars import ContextVar
from functools import cache
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from orderflow.config import log_settings
from orderflow.text import printable

BUFFER_BYTES = 256 * 1024  # more than is logged until it is flushed
FLUSH_AFTER_S = 0.02  # lines are gathered so long, and at most so much is lost by a kill -9

# One variable for all fields: structlog.contextvars has one for each, and doubles what a line costs
# (16 us against 8).
_fields: ContextVar[dict[str, object]] = ContextVar("log_fields")


@cache
def logger() -> FilteringBoundLogger:
    """Return the process's logger, bound to the name of its function."""
    output = cast(BinaryIO, BufferedWriter(standard_output()))
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(log_settings().log_level),
        processors=[
            lambda _, __, line: {**_fields.get({}), **line},
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(output),
    )
    bound: FilteringBoundLogger = structlog.get_logger(function=log_settings().k_service)
    return bound


def begin_log_fields(**fields: object) -> None:
    """Begin a call, whose log lines have these fields and those bound later."""
    _fields.set(fields)


def bind_log_fields(**fields: object) -> None:
    """Add fields to every later log line of the call at hand."""
    _fields.get({}).update(fields)


def log_fields() -> dict[str, object]:
    """Return the fields of the call at hand."""
    return _fields.get({})


@cache
def standard_output() -> BinaryIO:
    """Return it with a buffer, which Python's has not under PYTHONUNBUFFERED; flushed at exit."""
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=BUFFER_BYTES)
    atexit.register(stream.close)
    return stream


class BufferedWriter:
    """Writes the lines of a few milliseconds at once.

    A write lets another thread have the interpreter, and getting it back takes longer than the
    request that is being logged.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.write = stream.write
        self._stream = stream
        self._is_due = False

    def flush(self) -> None:
        """Write soon what is held: structlog asks for it after each line."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # as in the database's thread
            self._stream.flush()
            return
        if not self._is_due:
            self._is_due = True
            loop.call_later(FLUSH_AFTER_S, self._flush_now)

    def _flush_now(self) -> None:
        self._is_due = False
        self._stream.flush()


def _dumps(line: EventDict, **_: Any) -> bytes:
    try:
        text = orjson.dumps(line, default=str)
    except TypeError:  # text that is none, as half of a surrogate pair: here it goes escaped
        text = json.dumps(line, default=str).encode()
    # JSON itself escapes only C0.
    is_plain = text.isascii() and b"\x7f" not in text
    return text if is_plain else printable(text.decode()).encode()
