"""What the supervisor runs: anything with a name that starts, is ready, and stops."""

from collections.abc import Callable
from typing import Literal, Protocol

from knative_local.errors import LocalRuntimeError

Kind = Literal["Service", "KafkaSource", "PingSource", "Gateway", "Broker", "PostgreSQL"]
State = Literal["starting", "ready", "restarting", "stopped", "failed"]


class ComponentError(LocalRuntimeError):
    """A component did not start; the message names it and what it said last."""


class Component(Protocol):
    """One process, or one task of the supervisor."""

    name: str
    kind: Kind
    port: int | None
    state: State
    restarts: int
    on_change: Callable[[], None]

    @property
    def pid(self) -> int | None:
        """The process it is, or is part of; None while there is none."""

    async def start(self) -> None:
        """Return once it is ready; raise ComponentError if it does not get there."""

    async def stop(self) -> None:
        """Finish what is in flight and return once nothing of it runs."""
