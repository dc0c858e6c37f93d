"""A row of figures as one line of text."""

from collections.abc import Sequence

_NONE, _LEVELS = "▁", "▂▃▄▅▆▇█"


def sparkline(values: Sequence[int]) -> str:
    """Return a character for each value, as high as it is of the highest; none is the lowest."""
    most = max(values, default=0)
    return "".join(
        _LEVELS[(value * len(_LEVELS) - 1) // most] if value > 0 else _NONE for value in values
    )
