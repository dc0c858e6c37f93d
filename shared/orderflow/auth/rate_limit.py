"""How often something may happen: buckets of permits that fill up again."""

import math
from collections import OrderedDict

from orderflow.errors import TooManyRequests

WINDOW_S = 10  # of quiet that may be made up for at once
MAX_SUBJECTS = 10_000  # some 3 MB; the one not seen for longest begins anew


class Bucket:
    """Holds up to `size` permits, and gets `per_s` new ones a second. It begins full."""

    __slots__ = ("_at_s", "_per_s", "_permits", "_size")

    def __init__(self, size: float, per_s: float) -> None:
        self._size, self._per_s = size, per_s
        self._permits, self._at_s = float(size), -math.inf

    def take(self, now_s: float) -> bool:
        """Take a permit, if there is one; times are seconds of a monotonic clock."""
        refilled = self._permits + max(0.0, now_s - self._at_s) * self._per_s
        self._permits, self._at_s = min(self._size, refilled), now_s
        if self._permits < 1:
            return False
        self._permits -= 1
        return True

    def wait_s(self) -> float:
        """Return how long after the last `take` there is a permit again."""
        return max(0.0, 1 - self._permits) / self._per_s


class RateLimiter:
    """Gives each subject so many calls a second, and those of `WINDOW_S` at once after a pause."""

    def __init__(self, per_s: int, *, max_subjects: int = MAX_SUBJECTS) -> None:
        self._per_s, self._max_subjects = per_s, max_subjects
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, subject: str, now_s: float) -> None:
        """Raise `TooManyRequests` (429), saying when to come again, if the subject has no more."""
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._buckets[subject] = Bucket(self._per_s * WINDOW_S, self._per_s)
            if len(self._buckets) > self._max_subjects:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(subject)
        if bucket.take(now_s):
            return
        wait_s = math.ceil(bucket.wait_s())
        error = TooManyRequests(f"more than {self._per_s} calls a second", retry_after_s=wait_s)
        error.headers = {  # as draft-ietf-httpapi-ratelimit-headers-11 names them
            **error.headers,
            "RateLimit-Policy": f'"subject";q={self._per_s * WINDOW_S};w={WINDOW_S}',
            "RateLimit": f'"subject";r=0;t={wait_s}',
        }
        raise error
