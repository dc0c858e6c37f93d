"""Text from outside, made fit to be stored and to be shown."""

import re

MAX_FILTERED = 256  # characters of what lists filter by: an index entry stays under 2,700 bytes


def sanitize_text(text: str, characters: int | None = None) -> str:
    """Return text as PostgreSQL and JSON take it, cut to so many characters.

    U+FFFD stands for what they refuse: NUL, and halves of surrogate pairs.
    """
    clean = text[:characters].replace("\0", "\ufffd")
    return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# C0, DEL and C1; what changes the direction of writing; line and paragraph separators; halves of
# surrogate pairs, which are no text.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return text as one line that moves nothing on a terminal, escaped as JSON does it."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
