"""The gateway: one port for the routes of all functions, in a process of its own.

`python -m knative_local.gateway --manifest FILE... --resolve NAME=URL... --port PORT`
"""

import argparse
import asyncio
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from knative_local.errors import LocalRuntimeError
from knative_local.gateway.caller_connection import LINGER_S, CallerConnection
from knative_local.gateway.function_pool import FunctionPool
from knative_local.gateway.problems import problem
from knative_local.gateway.routing import RouteTable
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.ports import LOOPBACK

MAX_CALLERS = 1024  # connections
FILES = 10_240  # for them, those that are refused just now and 256 to each function
SWEEP_INTERVAL_S = 0.1  # how late a deadline may be noticed
DRAIN_S = 30.0  # for answers under way when the gateway is asked to stop
DRAIN_INTERVAL_S = 0.01


class Gateway:
    """The routes of some manifests, served from `resolve`: Service name to base URL."""

    def __init__(self, manifests: Manifests, resolve: Mapping[str, str]) -> None:
        backends = {r.backend_refs[0].name for t in manifests.routes for r in t.spec.rules}
        if unknown := sorted(backends - resolve.keys()):
            raise LocalRuntimeError(f"no --resolve NAME=URL for {', '.join(unknown)}")
        self._routes = RouteTable(manifests.routes)
        self._pools = {
            service.name: FunctionPool(
                service.name,
                _address(resolve[service.name]),
                timeout_s=service.revision.timeout_seconds,
                concurrency=service.revision.container_concurrency,
            )
            for service in manifests.services
            if service.name in resolve
        }
        self._callers: set[CallerConnection] = set()

    async def serve(self, host: str, port: int, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then answer what was taken and return."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._accept, host, port, backlog=MAX_CALLERS)
        sweeping = loop.create_task(self._sweep())
        await stop.wait()
        server.close()
        for caller in list(self._callers):
            caller.drain()
        deadline = time.monotonic() + DRAIN_S
        while self._callers and time.monotonic() < deadline:  # noqa: ASYNC110 - only at the end
            await asyncio.sleep(DRAIN_INTERVAL_S)
        sweeping.cancel()

    def _accept(self) -> asyncio.Protocol:
        if len(self._callers) >= MAX_CALLERS:
            return _TooMany()
        return CallerConnection(self._routes, self._pools, self._callers)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            now = time.monotonic()
            for pool in self._pools.values():
                pool.expire(now)
            for caller in list(self._callers):
                caller.expire(now)


class _TooMany(asyncio.Protocol):
    """Answers at once, then drops what comes: closing on it could reset the answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        answering = cast("asyncio.Transport", transport)
        detail = f"{MAX_CALLERS} connections are open"
        answering.write(problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, close=True))
        answering.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, answering.abort)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or LOOPBACK, parts.port or 80


def gateway_command(
    manifests: Sequence[Path], resolve: Mapping[str, str], *, host: str, port: int
) -> list[str]:
    """Return the command that serves these manifests' routes."""
    command = [sys.executable, "-m", "knative_local.gateway", "--host", host, "--port", str(port)]
    for path in manifests:
        command += ["--manifest", str(path)]
    for name, url in resolve.items():
        command += ["--resolve", f"{name}={url}"]
    return command


def _allow_connections() -> None:
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if usual < wanted:
        with suppress(ValueError):  # macOS says there is no limit, and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _run(arguments: argparse.Namespace) -> None:
    resolve = dict(pair.split("=", 1) for pair in arguments.resolve)
    gateway = Gateway(load_manifests(arguments.manifest), resolve)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await gateway.serve(arguments.host, arguments.port, stop)


def main() -> int:
    """Read the command line and serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="knative_local.gateway")
    parser.add_argument("--manifest", type=Path, action="append", required=True)
    parser.add_argument("--resolve", action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=8080)
    _allow_connections()
    try:
        uvloop.run(_run(parser.parse_args()))
    except (LocalRuntimeError, OSError) as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
