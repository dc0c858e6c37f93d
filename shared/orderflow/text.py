"""Text from outside, made fit to be stored."""

MAX_FILTERED = 256  # characters of what lists filter by: an index entry stays under 2,700 bytes


def sanitize_text(text: str, characters: int | None = None) -> str:
    """Return text as PostgreSQL and JSON take it, cut to so many characters.

    U+FFFD stands for what they refuse: NUL, and halves of surrogate pairs.
    """
    clean = text[:characters].replace("\0", "\ufffd")
    return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
