"""The supervisor's side of the reaper: which process groups must not outlive it."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from knative_local.supervisor import reaper

STOP_TIMEOUT_S = 10.0  # the reaper's own grace is three seconds


class Reaper:
    """A reaper process and what it was told; it holds the descriptors `held` while it lives."""

    def __init__(self, held: tuple[int, ...] = ()) -> None:
        self._held = held
        self._groups: dict[int, int] = {}
        self._process = self._spawn()

    def watch(self, group: int, stop_signal: signal.Signals) -> None:
        """Have this process group stopped, first by `stop_signal`, if the supervisor dies."""
        self._groups[group] = int(stop_signal)
        self._tell(f"+{group} {int(stop_signal)}\n")

    def release(self, group: int) -> None:
        """Forget a process group that has ended."""
        if self._groups.pop(group, None) is not None:
            self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the reaper, and with it every group that is still watched."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(STOP_TIMEOUT_S)

    def _spawn(self) -> subprocess.Popen[str]:
        # A session of its own: what a terminal or a `kill -- -GROUP` does to the supervisor
        # does not reach it. Isolated and without site-packages it starts in milliseconds.
        return subprocess.Popen(  # noqa: S603 - a program of our own
            [sys.executable, "-I", "-S", str(Path(reaper.__file__))],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
            pass_fds=self._held,
        )

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except BrokenPipeError:  # the reaper was killed: another takes over where it was
            self._process.wait()
            self._process = self._spawn()
            for group, stop_signal in self._groups.items():
                self._tell(f"+{group} {stop_signal}\n")
