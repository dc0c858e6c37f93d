"""Identifiers made by the server."""

import secrets
import time
import uuid


def uuid7() -> str:
    """Return a UUIDv7: 48 bits of milliseconds, then chance (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | (0x7 << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=bits))
