"""Starts components in stages, keeps them running, and stops them in the opposite order."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from knative_local.supervisor.component import Component
from knative_local.supervisor.output import LogFormat, Output
from knative_local.supervisor.reaper import Reaper
from knative_local.supervisor.spec import Command
from knative_local.supervisor.state_file import lock, write_state

Progress = Callable[[Sequence[Component]], None]


class Supervisor:
    """The components of one data directory, which no other supervisor may use meanwhile.

    Use it as an asynchronous context manager: entering takes the directory, leaving stops all.
    `add` a stage, or several, then `start` them. `progress` is called with all components at every
    change of one. What components print is kept in DATA/logs as it is and shown on standard
    output, as `log_format` says, unless that is None.
    """

    _lock: int
    _reaper: Reaper

    def __init__(
        self,
        data_dir: Path,
        *,
        progress: Progress | None = None,
        log_format: LogFormat | None = "people",
    ) -> None:
        self._data_dir = data_dir
        self._progress = progress
        self._log_format = log_format
        self._stages: list[list[Component]] = []
        self._started = 0

    async def __aenter__(self) -> Self:
        self._lock = await asyncio.to_thread(lock, self._data_dir)
        # The reaper shares the lock: after a SIGKILL of ours, the directory is free for another
        # supervisor only once our children are gone.
        self._reaper = Reaper(held=(self._lock,))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await asyncio.to_thread(self._reaper.close)
        os.close(self._lock)

    def add(self, *commands: Command) -> None:
        """Add a stage: components that start together once all stages before are ready."""
        logs = self._data_dir / "logs"
        stage = []
        for command in commands:
            show = None if command.quiet else self._log_format
            output = Output(command.name, logs / f"{command.name}.log", show=show)
            stage.append(Component(command, output, self._reaper, self._changed))
        self._stages.append(stage)
        self._changed()

    async def start(self, stages: int | None = None) -> None:
        """Start the stages not yet started, or only the next few; return when they are ready.

        Raises the LocalRuntimeError of the first component that does not start; what did start runs
        on until `stop`.
        """
        last = len(self._stages) if stages is None else self._started + stages
        for stage in self._stages[self._started : last]:
            self._started += 1
            try:
                async with asyncio.TaskGroup() as starting:
                    for component in stage:
                        starting.create_task(component.start())
            except ExceptionGroup as failed:  # one cause is enough to act on
                raise failed.exceptions[0] from None

    async def stop(self) -> None:
        """Stop stage by stage, the last one first, each when the one after it has finished."""
        for stage in reversed(self._stages[: self._started]):
            await asyncio.gather(*(component.stop() for component in stage))
        self._started = 0

    def _changed(self) -> None:
        components = [component for stage in self._stages for component in stage]
        write_state(self._data_dir, components)
        if self._progress is not None:
            self._progress(components)
