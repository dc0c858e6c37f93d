"""One supervised child process: started, watched, restarted when it ends, and stopped."""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from signal import SIGKILL

from knative_local.errors import LocalRuntimeError
from knative_local.supervisor.component import ComponentError, State
from knative_local.supervisor.log_file import Output
from knative_local.supervisor.reaper_client import Guard
from knative_local.supervisor.spec import Command

# Waits before a restart, in seconds: doubling from the first to the last.
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 10.0
HEALTHY_S = 10.0  # ready for so long, a process has earned the first wait again
START_TIMEOUT_S = 60.0  # from spawn to ready; a cold start of a function takes one or two seconds
PROBE_INTERVAL_S = 0.05  # Knative's aggressive probing (serving pkg/queue/readiness)
LAST_OUTPUT_S = 1.0  # for output still in the pipe of a process that has ended
CHUNK_BYTES = 64 * 1024  # read of a child's output at once: what a Linux pipe holds


class ManagedProcess:
    """A Component that is a child process, in a process group of its own."""

    def __init__(self, command: Command, output: Output, guard: Guard) -> None:
        self.name, self.kind, self.port = command.name, command.kind, command.port
        self.state: State = "starting"
        self.restarts = 0
        self.on_change: Callable[[], None] = lambda: None
        self._command, self._output, self._guard = command, output, guard
        self._child: asyncio.subprocess.Process | None = None
        self._printed: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None while nothing runs."""
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Spawn and return once ready. What ends before it ever was ready is not tried again."""
        self._become("starting")
        try:
            await self._spawn()
            await self._await_ready()
        except (LocalRuntimeError, OSError) as error:
            await self._clear()
            self._become("failed")
            raise ComponentError(f"{self.kind} {self.name} did not start: {error}") from error
        self._become("ready")
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
            ready_since = time.monotonic()
            await self._ended_or_dead()
            if time.monotonic() - ready_since > HEALTHY_S:
                backoff_s = FIRST_BACKOFF_S
            while not await self._restarted(backoff_s):
                backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _restarted(self, backoff_s: float) -> bool:
        await self._clear()
        self.restarts += 1
        self._become("restarting")
        await asyncio.sleep(backoff_s)
        try:
            await self._spawn()
            await self._await_ready()
        except (LocalRuntimeError, OSError) as error:
            self._output.write(f"not restarted: {error}\n".encode())
            return False
        self._become("ready")
        return True

    async def _spawn(self) -> None:
        await self._command.prepare()
        self._output.restart()
        # A pipe of our own: with one of asyncio's, `wait` lasts until the last grandchild that
        # holds it has gone, and a worker whose master died holds it for ever.
        read_from, printed_to = os.pipe()
        try:
            self._child = await self._execute(printed_to)
        except OSError:
            os.close(read_from)
            raise
        finally:
            os.close(printed_to)
        self._guard.watch(self._child.pid, self._command.stop_signals[0])
        self._printed = asyncio.create_task(self._pass_output(read_from))
        self.on_change()

    async def _execute(self, printed_to: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command.argv,
            cwd=self._command.cwd,
            env=self._command.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed_to,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _pass_output(self, read_from: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(read_from, "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        while chunk := await reader.read(CHUNK_BYTES):
            self._output.write(chunk)

    async def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await self._is_ready():
            if self._child is None or self._child.returncode is not None:
                raise ComponentError(await self._cause_of_death())
            if time.monotonic() > deadline:
                said = self._output.last_line()
                raise ComponentError(f"not ready within {START_TIMEOUT_S:g} s: {said}")
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _is_ready(self) -> bool:
        line = self._command.ready_line
        if line is not None and not self._output.printed(line):
            return False
        return self._command.ready is None or await self._command.ready()

    async def _cause_of_death(self) -> str:
        returncode = await self._ended()
        await self._clear()
        how = f"signal {-returncode}" if returncode < 0 else f"status {returncode}"
        return f"it ended with {how}: {self._output.last_line() or 'it printed nothing'}"

    async def _ended(self) -> int:
        assert self._child is not None
        return await self._child.wait()

    async def _ended_or_dead(self) -> None:
        checks: list[asyncio.Future[int] | asyncio.Future[None]]
        checks = [asyncio.ensure_future(self._ended())]
        if self._command.dead is not None:
            checks.append(asyncio.ensure_future(self._command.dead()))
        try:
            await asyncio.wait(checks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for check in checks:
                check.cancel()

    async def _ask_to_end(self, child: asyncio.subprocess.Process) -> None:
        for signal in self._command.stop_signals:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.send_signal(signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.wait(), self._command.grace_s)
                return

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
        self._guard.release(group)

    def _become(self, state: State) -> None:
        self.state = state
        self.on_change()
