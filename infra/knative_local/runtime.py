"""From manifests to what has to run: the stages of one runtime."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from knative_local.child import (
    GATEWAY_DRAIN_S,
    SOURCE_READY,
    gateway_command,
    source_command,
)
from knative_local.delivery.sink import TOKEN_VARIABLE
from knative_local.errors import LocalRuntimeError
from knative_local.manifests.loader import Manifests
from knative_local.manifests.sources import KafkaSource
from knative_local.ports import LOOPBACK, accepts, free_port, is_free
from knative_local.supervisor.service_spec import base_environment, service_command
from knative_local.supervisor.spec import Command

PROBE_TIMEOUT_S = 0.1  # Knative's aggressive probing; a gateway accepts at once or not at all
GATEWAY_GRACE_S = GATEWAY_DRAIN_S + 5.0  # its own bound, and time to exit
# Deliveries under way may take the 30 s that a function may take to answer, and a commit.
SOURCE_GRACE_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What to run and how: manifests (and where they were read), and the user's choices.

    `overrides` replace environment variables of the Services, `own_overrides` those of the one that
    has this name; `kafka` replaces the bootstrap
    servers of every KafkaSource, `stand_ins` those that are keys of it; commands of Services run
    in `project_root`. With `watch` a function restarts when its folder changes. The gateway serves
    the routes on `port`; where there are none, the Services themselves listen on it and the next.
    With a `token`, sources send it along with each event for a Service. KafkaSources stop
    `like_knative`'s, if asked to.
    """

    manifests: Manifests
    paths: Sequence[Path]
    project_root: Path
    host: str = LOOPBACK
    port: int = 8080
    kafka: str | None = None
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    own_overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    watch: bool = False
    token: str = ""
    like_knative: bool = False
    _ports: dict[str, int] = field(default_factory=dict)
    _metrics_ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, service in enumerate(self.manifests.services):
            if service.name in self._ports:
                raise LocalRuntimeError(f"two Services are named {service.name}")
            routed = self.manifests.routes
            self._ports[service.name] = free_port() if routed else self.port + index

    @property
    def addresses(self) -> dict[str, str]:
        """The base URL of every Service, the same for the whole life of the runtime."""
        return {name: f"http://{LOOPBACK}:{port}" for name, port in self._ports.items()}

    def services(self) -> list[Command]:
        """One process per Service; raises LocalRuntimeError for what cannot be honoured."""
        if not self.manifests.routes:
            for port in self._ports.values():
                require_free(port, flag="--port")
        return [
            service_command(
                service,
                self._ports[service.name],
                project_root=self.project_root,
                overrides={**self.overrides, **self.own_overrides.get(service.name, {})},
                settings=self.manifests.settings,
                watch=self.watch,
            )
            for service in self.manifests.services
        ]

    def sources(self) -> list[Command]:
        """One process per source; a KafkaSource waits for its servers and topics for ever."""
        env = base_environment() | {TOKEN_VARIABLE: self.token}
        kafka = [
            Command(
                name=source.name,
                kind="KafkaSource",
                argv=source_command(
                    self.paths,
                    source,
                    self.servers(source),
                    self.addresses,
                    like_knative=self.like_knative,
                    metrics_port=self._metrics_port(source.name),
                ),
                env=env,
                metrics_port=self._metrics_port(source.name),
                ready_line=f'"{SOURCE_READY}"'.encode(),
                start_timeout_s=math.inf,
                grace_s=SOURCE_GRACE_S,
            )
            for source in self.manifests.kafka_sources
        ]
        return kafka + [
            Command(
                name=source.name,
                kind="PingSource",
                argv=source_command(
                    self.paths,
                    source,
                    None,
                    self.addresses,
                    metrics_port=self._metrics_port(source.name),
                ),
                env=env,
                metrics_port=self._metrics_port(source.name),
            )
            for source in self.manifests.ping_sources
        ]

    def servers(self, source: KafkaSource) -> str | None:
        """What replaces the source's own bootstrap servers, if anything does."""
        return self.kafka or self.stand_ins.get(source.servers)

    def _metrics_port(self, name: str) -> int:
        if name not in self._metrics_ports:
            self._metrics_ports[name] = free_port()
        return self._metrics_ports[name]

    def stages(self) -> list[list[Command]]:
        """All of it in the order to start: functions, the way in, and what calls them by itself."""
        return [self.services(), self.gateway(), self.sources()]

    def gateway(self) -> list[Command]:
        """The gateway if there are routes; raises LocalRuntimeError if its port is in use."""
        if not self.manifests.routes:
            return []
        require_free(self.port, self.host, flag="--port")
        connect_to = LOOPBACK if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return [
            Command(
                name="gateway",
                kind="Gateway",
                argv=gateway_command(
                    self.paths,
                    self.addresses,
                    host=self.host,
                    port=self.port,
                    metrics_port=self._metrics_port("gateway"),
                ),
                env=base_environment(),
                metrics_port=self._metrics_port("gateway"),
                port=self.port,
                ready=partial(asyncio.to_thread, accepts, self.port, PROBE_TIMEOUT_S, connect_to),
                grace_s=GATEWAY_GRACE_S,
            )
        ]


def require_free(port: int, host: str = LOOPBACK, *, flag: str) -> None:
    """Raise LocalRuntimeError, naming the command line flag to change, if the port is in use."""
    if not 0 < port < 65_536:
        raise LocalRuntimeError(f"{flag} {port} is no port")
    if not is_free(port, host):
        raise LocalRuntimeError(f"port {port} is taken: choose another with {flag}")
