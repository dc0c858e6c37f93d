"""How many may wait and for how long. Beyond it an answer at once beats latency."""

import math
import resource
from contextlib import suppress

from orderflow.errors import QueueFull

MAX_WAITING = 2_000  # about a second of work, and some 10 MB
MAX_WAIT_S = 5.0  # expected: callers that are kept longer give up, and their work was for nothing
GIVE_UP_S = 10.0  # for those who came when less was expected; a third of what Knative gives a call
MAX_RETRY_AFTER_S = 30  # it may be over sooner than it seems
FILES = 10_240  # far more connections than are served at once, and what macOS gives at most
WEIGHT = 0.3  # of the latest turn in what is usual: one slow turn is forgotten after a few


class WaitEstimator:
    """How long one waits for a turn, when turns are taken one after the other, and who may wait.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, *, max_wait_s: float = MAX_WAIT_S, give_up_s: float = GIVE_UP_S) -> None:
        self._max_wait_s = max_wait_s
        self._give_up_s = give_up_s
        self._usual_s = 0.0
        self._began_s: float | None = None

    def begin(self, now_s: float) -> None:
        """A turn begins."""
        self._began_s = now_s

    def end(self, now_s: float) -> None:
        """It has ended."""
        if self._began_s is not None:
            self._usual_s += WEIGHT * (now_s - self._began_s - self._usual_s)
        self._began_s = None

    def wait_s(self, before: int, now_s: float) -> float:
        """Return how long who comes now is likely to wait, with so many whole turns before.

        A turn under way may last as long again as it has lasted: the database may hang. Without
        one, the first is never sent away for how slow others were.
        """
        under_way_s = 0.0 if self._began_s is None else now_s - self._began_s
        return under_way_s + before * self._usual_s

    def admit(self, waiting: int, before: int, now_s: float) -> None:
        """Raise `QueueFull`, saying when to come again, if too many wait or it takes too long."""
        wait_s = self.wait_s(before, now_s)
        if waiting >= MAX_WAITING or wait_s > self._max_wait_s:
            raise QueueFull(
                f"{waiting} calls are waiting, for about {wait_s:.1f} s; nothing was done",
                retry_after_s=min(max(math.ceil(wait_s), 1), MAX_RETRY_AFTER_S),
            )

    def queue_timeout(self, since_s: float, now_s: float) -> QueueFull | None:
        """Return the error of who has waited too long, if they have."""
        if now_s - since_s <= self._give_up_s:
            return None
        return QueueFull(f"no turn within {self._give_up_s:g} s; nothing was done", retry_after_s=5)


def raise_open_file_limit() -> None:
    """Let this process open many files, if it may: what it can't accept it can't refuse."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if usual < wanted:
        with suppress(ValueError):  # macOS says there is no limit, and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
