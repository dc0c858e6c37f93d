"""W3C trace context: the caller's trace goes on through the outbox and Kafka."""

import random
import re

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_or_new(traceparent: str | None) -> str:
    """Return the caller's `traceparent` if it is well-formed, else the start of a new trace.

    Trace Context Level 1, section 3.2.
    """
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        return traceparent
    # Chance without a system call: a trace id has to be unlikely to meet another, not secret.
    trace, span = random.getrandbits(128) or 1, random.getrandbits(64) or 1
    return f"00-{trace:032x}-{span:016x}-01"


def trace_id(traceparent: str) -> str:
    """Return the 32 hexadecimal digits that name the trace."""
    return traceparent[3:35]
