"""Text as Java 21 and Jackson write it, where Knative's dispatcher shows it to the function."""

import json
import math
import re
import struct
from decimal import Decimal
from typing import Any

_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7  # Double.toString: E notation outside
_FEWEST_DIGITS = 2  # Java shows at least one digit after the point, and picks with that in mind
_MOST_DIGITS = 17  # enough for every double to be read back
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_SHORT_ESCAPES = {character: json.dumps(character)[1:-1] for character in '"\\\b\t\n\f\r'}


def double_text(number: float) -> str:
    """`Double.toString`: the shortest digits that read back as the same 64-bit number."""
    return _float_text(number, "d")


def float_text(number: float) -> str:
    """`Float.toString`: the same for 32 bits, so 0.1 stays 0.1."""
    return _float_text(number, "f")


def _float_text(number: float, width: str) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
        text = f"{number:.{digits - 1}e}"
        if _narrowed(float(text), width) == number:
            break
    if number == 0 or _PLAIN_FROM <= abs(number) < _PLAIN_BELOW:
        return _one_decimal(f"{Decimal(text):f}")
    mantissa, _, exponent = text.partition("e")
    return f"{_one_decimal(mantissa)}E{int(exponent)}"


def _narrowed(number: float, width: str) -> float:
    try:
        return float(struct.unpack(width, struct.pack(width, number))[0])
    except OverflowError:
        return math.inf


def _one_decimal(digits: str) -> str:
    whole, _, fraction = digits.partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def json_text(value: Any) -> str:
    """Compact JSON of what `json.loads` gave, as Jackson's JsonNode prints it."""
    if isinstance(value, dict):
        items = (f"{json_text(key)}:{json_text(item)}" for key, item in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return '"' + _ESCAPED.sub(_escape, value) + '"'
    return double_text(value) if isinstance(value, float) else json.dumps(value)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04X}"
