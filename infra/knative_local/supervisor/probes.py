"""Probes of a function: what Kubernetes would ask it to know whether it is ready or alive."""

import asyncio
from collections.abc import Awaitable, Callable

from knative_local.manifests.container import Probe
from knative_local.ports import LOOPBACK

# Functions tell probes from callers by this name; the version is that of current Kubernetes.
USER_AGENT = "kube-probe/1.34"
DEFAULT_PERIOD_S = 10  # periodSeconds of a Kubernetes probe that gives none
STATUS_LINE_BYTES = 64  # more than `HTTP/1.1 200 ` needs; the rest of the answer is not read


async def succeeds(probe: Probe | None, port: int) -> bool:
    """Ask once: `httpGet` wants 200 to 399, everything else an accepted connection."""
    timeout_s = probe.timeout_seconds if probe else 1
    get = probe.http_get if probe else None
    try:
        async with asyncio.timeout(timeout_s):
            return await (_http_get(get.path, port) if get else _connects(port))
    except (OSError, TimeoutError, ValueError, IndexError):
        return False


async def _connects(port: int) -> bool:
    _, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.close()
    return True


async def _http_get(path: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n".encode()
        )
        status_line = await reader.read(STATUS_LINE_BYTES)
        return 200 <= int(status_line.split(b" ", 2)[1]) < 400
    finally:
        writer.close()


def liveness(probe: Probe | None, port: int) -> Callable[[], Awaitable[None]] | None:
    """Return a coroutine function that ends once the probe has failed too often, or None."""
    if probe is None:
        return None

    async def until_dead() -> None:
        await asyncio.sleep(probe.initial_delay_seconds)
        failures = 0
        while failures < probe.failure_threshold:
            await asyncio.sleep(probe.period_seconds or DEFAULT_PERIOD_S)
            failures = 0 if await succeeds(probe, port) else failures + 1

    return until_dead
