"""Text from outside as it may be shown: on a terminal it moves nothing, and begins no line."""

import re

# C0, DEL and C1; what changes the direction of writing; line and paragraph separators; halves of
# surrogate pairs, which are no text.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return one line, in which such characters are written as JSON escapes them."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
