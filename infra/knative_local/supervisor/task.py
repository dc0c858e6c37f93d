"""A component that is a task of the supervisor itself, not a process."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from knative_local.supervisor.component import Kind, State
from knative_local.supervisor.log_file import Output

RESTART_S = 1.0  # a task that fails once a second neither floods the log nor goes unseen


class ManagedTask:
    """A Component that runs `work` until stopped, again whenever it ends or fails."""

    def __init__(
        self, name: str, kind: Kind, work: Callable[[], Awaitable[None]], output: Output
    ) -> None:
        self.name, self.kind = name, kind
        self.port: int | None = None
        self.state: State = "starting"
        self.restarts = 0
        self.on_change: Callable[[], None] = lambda: None
        self._work, self._output = work, output
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The supervisor's own process while the task runs."""
        return os.getpid() if self._task else None

    async def start(self) -> None:
        """Start the task; it is ready at once."""
        self._task = asyncio.create_task(self._repeat(), name=f"{self.kind} {self.name}")
        self._become("ready")

    async def stop(self) -> None:
        """Cancel the task and wait for its end."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None
        self._become("stopped")
        self._output.close()

    async def _repeat(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:  # whatever it is, the next tick must come
                self._output.write(f"restarted after {error!r}\n".encode())
            self.restarts += 1
            self._become("restarting")
            await asyncio.sleep(RESTART_S)
            self._become("ready")

    def _become(self, state: State) -> None:
        self.state = state
        self.on_change()
