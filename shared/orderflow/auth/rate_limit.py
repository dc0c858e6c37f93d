"""How often something may happen: a bucket of permits that fills up again."""


class Bucket:
    """Holds up to `size` permits, and gets `per_s` new ones a second. It begins full."""

    __slots__ = ("_at_s", "_per_s", "_permits", "_size")

    def __init__(self, size: float, per_s: float) -> None:
        self._size, self._per_s = size, per_s
        self._permits, self._at_s = float(size), float("-inf")

    def take(self, now_s: float) -> bool:
        """Take a permit, if there is one; times are seconds of a monotonic clock."""
        refilled = self._permits + max(0.0, now_s - self._at_s) * self._per_s
        self._permits, self._at_s = min(self._size, refilled), now_s
        if self._permits < 1:
            return False
        self._permits -= 1
        return True
