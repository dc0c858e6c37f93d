"""What the supervisor runs: anything with a name that starts, is ready, and stops."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from knative_local.errors import LocalRuntimeError
from knative_local.supervisor.log_file import Output

Kind = Literal["Service", "KafkaSource", "PingSource", "Gateway", "Broker", "PostgreSQL"]
State = Literal["starting", "ready", "restarting", "stopped", "failed"]

RESTART_S = 1.0  # a task that fails once a second neither floods the log nor goes unseen


class ComponentError(LocalRuntimeError):
    """A component did not start; the message names it and what it said last."""


class Component(ABC):
    """One process, or one task of the supervisor."""

    def __init__(self, name: str, kind: Kind, port: int | None, output: Output) -> None:
        self.name, self.kind, self.port, self.output = name, kind, port, output
        self.state: State = "starting"
        self.restarts = 0
        self.on_change: Callable[[], None] = lambda: None

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process it is, or is part of; None while there is none."""

    @abstractmethod
    async def start(self) -> None:
        """Return once it is ready; raise ComponentError if it does not get there."""

    @abstractmethod
    async def stop(self) -> None:
        """Finish what is in flight and return once nothing of it runs."""

    def become(self, state: State) -> None:
        """Enter a state, and say so."""
        self.state = state
        self.on_change()


class ManagedTask(Component):
    """Runs `work` in the supervisor's own process, again whenever it ends or fails."""

    def __init__(
        self, name: str, kind: Kind, work: Callable[[], Awaitable[None]], output: Output
    ) -> None:
        super().__init__(name, kind, None, output)
        self._work = work
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The supervisor's own process while the task runs."""
        return os.getpid() if self._task else None

    async def start(self) -> None:
        """Start the task; it is ready at once."""
        self._task = asyncio.create_task(self._repeat(), name=f"{self.kind} {self.name}")
        self.become("ready")

    async def stop(self) -> None:
        """Cancel the task and wait for its end."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None
        self.become("stopped")
        self.output.close()

    async def _repeat(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:  # whatever it is, the next tick must come
                self.output.write(f"restarted after {error!r}\n".encode())
            self.restarts += 1
            self.become("restarting")
            await asyncio.sleep(RESTART_S)
            self.become("ready")
