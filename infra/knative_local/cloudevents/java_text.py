"""Text as Java 21 and Jackson write it, where Knative's dispatcher shows it to the function."""

import json
import math
import re
import struct
from typing import Any

# Double.toString: plain digits in [1e-3, 1e7), E notation outside.
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7
_FEWEST_DIGITS = 2  # Java shows at least one digit after the point, and picks with that in mind
_MOST_DIGITS = 17  # enough for every double to be read back

_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_SHORT_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


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
    if number == 0:
        return "-0.0" if math.copysign(1, number) < 0 else "0.0"
    sign = "-" if number < 0 else ""
    digits, exponent = _shortest(abs(number), width)
    return sign + _placed(digits, exponent, abs(number))


def _shortest(number: float, width: str) -> tuple[str, int]:
    for count in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
        text = f"{number:.{count - 1}e}"
        if _narrowed(float(text), width) == number:
            break
    mantissa, _, exponent = text.partition("e")
    return mantissa.replace(".", "").rstrip("0") or "0", int(exponent)


def _narrowed(number: float, width: str) -> float:
    try:
        return float(struct.unpack(width, struct.pack(width, number))[0])
    except OverflowError:
        return math.inf


def _placed(digits: str, exponent: int, number: float) -> str:
    if not _PLAIN_FROM <= number < _PLAIN_BELOW:
        return f"{digits[0]}.{digits[1:] or '0'}E{exponent}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return f"{whole}.{digits[exponent + 1 :] or '0'}"


def json_text(value: Any) -> str:
    """Compact JSON of what `json.loads` gave, as Jackson's JsonNode prints it."""
    if isinstance(value, dict):
        items = (f"{_quoted(key)}:{json_text(item)}" for key, item in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return double_text(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04X}"
