"""Structured logs: one JSON line an event on standard output, where Knative collects it."""

import sys
from functools import cache
from typing import Any

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from orderflow.config import settings


@cache
def logger() -> FilteringBoundLogger:
    """Return the process's logger, bound to the name of its function."""
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(settings().log_level),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
    )
    bound: FilteringBoundLogger = structlog.get_logger(function=settings().k_service)
    return bound


def _dumps(line: dict[str, Any], **_: Any) -> bytes:
    return orjson.dumps(line, default=str)
