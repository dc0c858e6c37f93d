"""How a component is run as a process."""

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Literal

Kind = Literal["Service", "KafkaSource", "PingSource", "Gateway", "Broker", "PostgreSQL"]

START_TIMEOUT_S = 60.0  # from spawn to ready; a cold start of a function takes one or two seconds
DEFAULT_GRACE_S = 30.0  # Kubernetes' terminationGracePeriodSeconds


async def _at_once() -> bool:
    return True


async def never() -> None:
    """Wait for what does not come."""
    await asyncio.Event().wait()


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process to be: what to run, and how to tell that it is ready, alive and done.

    It answers HTTP on `port`, and Prometheus with its own metrics on `metrics_port`.
    `prepare` runs before every spawn. `ready` is asked every 50 ms until true, after `ready_line`
    has been printed. `dead` ends when a process that runs does not work any more, `changed` when
    its files did. What it prints is not shown if it is `quiet`, only kept.
    `stop_signals` are sent one after the other, `grace_s` seconds apart, before SIGKILL.
    """

    name: str
    kind: Kind
    argv: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    port: int | None = None
    metrics_port: int | None = None
    ready_line: bytes = b""
    prepare: Callable[[], Awaitable[object]] = _at_once
    ready: Callable[[], Awaitable[bool]] = _at_once
    dead: Callable[[], Awaitable[None]] = never
    changed: Callable[[], Awaitable[None]] = never
    start_timeout_s: float = START_TIMEOUT_S
    quiet: bool = False
    stop_signals: Sequence[Signals] = (SIGTERM,)
    grace_s: float = DEFAULT_GRACE_S


def program(name: str) -> str:
    """Return the path of a program: beside this Python first, as in an active environment."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name) or name
