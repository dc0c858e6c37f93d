"""One supervised process: started, watched, restarted when it ends, and stopped."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from signal import SIGKILL
from typing import Any, Literal

from knative_local.errors import LocalRuntimeError
from knative_local.supervisor.output import Output
from knative_local.supervisor.reaper import Reaper
from knative_local.supervisor.spec import Command

# Waits before a restart, in seconds: doubling from the first to the last.
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 10.0
HEALTHY_S = 10.0  # ready for so long, a process has earned the first wait again
PROBE_INTERVAL_S = 0.05  # Knative's aggressive probing (serving pkg/queue/readiness)
LAST_OUTPUT_S = 1.0  # for output still in the pipe of a process that has ended
CHUNK_BYTES = 64 * 1024  # read of a child's output at once: what a Linux pipe holds

State = Literal["starting", "ready", "restarting", "stopped", "failed"]


class Component:
    """A child process, in a process group of its own."""

    def __init__(
        self, command: Command, output: Output, reaper: Reaper, on_change: Callable[[], None]
    ) -> None:
        self.name, self.kind = command.name, command.kind
        self.port, self.metrics_port = command.port, command.metrics_port
        self.state: State = "starting"
        self.restarts = 0
        self._command, self._reaper = command, reaper
        self._output, self._on_change = output, on_change
        self._child: asyncio.subprocess.Process | None = None
        self._printed: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._last_error = ""

    @property
    def pid(self) -> int | None:
        """The process id, None while nothing runs."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Spawn and return once ready. What ends before it ever was ready is not tried again."""
        self._become("starting")
        try:
            await self._spawn()
        except (LocalRuntimeError, OSError) as error:
            await self._clear()
            self._become("failed")
            raise LocalRuntimeError(f"{self.kind} {self.name} did not start: {error}") from error
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.name}")

    async def stop(self) -> None:
        """Ask the process to finish, kill its group after the grace, and wait for its end."""
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._child:
            await self._ask_to_end(self._child)
            await self._clear()
        if self.state != "failed":
            self._become("stopped")
        self._output.close()

    async def _keep_running(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            if child := self._child:  # None after a restart that failed
                ready_since = time.monotonic()
                await _first_of(child.wait(), self._command.dead(), self._command.changed())
                if child.returncode is None or time.monotonic() - ready_since > HEALTHY_S:
                    backoff_s = FIRST_BACKOFF_S
            await self._restart(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _restart(self, backoff_s: float) -> None:
        await self._clear()
        self.restarts += 1
        self._become("restarting")
        await _first_of(asyncio.sleep(backoff_s), self._command.changed())
        try:
            await self._spawn()
            self._last_error = ""
        except (LocalRuntimeError, OSError) as error:
            await self._clear()
            if str(error) != self._last_error:
                self._last_error = str(error)
                self._output.write(f"not restarted: {error}\n".encode())

    async def _spawn(self) -> None:
        await self._command.prepare()
        self._output.restart()
        # A pipe of our own: with one of asyncio's, `wait` lasts until the last grandchild that
        # holds it has gone, and a worker whose master died holds it for ever.
        read_from, printed_to = os.pipe()
        try:
            child = self._child = await asyncio.create_subprocess_exec(
                *self._command.argv,
                cwd=self._command.cwd,
                env=self._command.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed_to,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            os.close(read_from)
            raise
        finally:
            os.close(printed_to)
        self._reaper.watch(child.pid, self._command.stop_signals[0])
        self._printed = asyncio.create_task(self._pass_output(read_from))
        self._on_change()
        await self._await_ready(child)
        self._output.show_held()
        self._become("ready")

    async def _pass_output(self, read_from: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(read_from, "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        while chunk := await reader.read(CHUNK_BYTES):
            self._output.write(chunk)

    async def _await_ready(self, child: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + self._command.start_timeout_s
        while not (self._output.printed(self._command.ready_line) and await self._command.ready()):
            if child.returncode is not None:
                await self._clear()
                code = child.returncode
                how = f"signal {-code}" if code < 0 else f"status {code}"
                raise LocalRuntimeError(f"it ended with {how}: {self._output.cause()}")
            if time.monotonic() > deadline:
                waited = f"not ready within {self._command.start_timeout_s:g} s"
                raise LocalRuntimeError(f"{waited}: {self._output.cause()}")
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _ask_to_end(self, child: asyncio.subprocess.Process) -> None:
        for signal in self._command.stop_signals:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.send_signal(signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), self._command.grace_s)
                return

    def _become(self, state: State) -> None:
        self.state = state
        self._on_change()

    async def _clear(self) -> None:
        """Kill what is left of the group: workers keep the port of a master that died."""
        if self._child is None:
            return
        group, child, self._child = self._child.pid, self._child, None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, SIGKILL)
        await child.wait()
        if self._printed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._printed, LAST_OUTPUT_S)
        self._reaper.release(group)


async def _first_of(*what: Awaitable[Any]) -> None:
    """Wait until one of them ends, and cancel the others."""
    under_way = [asyncio.ensure_future(one) for one in what]
    try:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in under_way:
            one.cancel()
