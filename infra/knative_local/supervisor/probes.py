"""Probes of a function: what Kubernetes would ask it to know whether it is ready or alive."""

import asyncio
from collections.abc import Awaitable, Callable

from knative_local.http_client.client import Client
from knative_local.http_client.connection import TransportError
from knative_local.manifests.service import Probe
from knative_local.ports import LOOPBACK

# Functions tell probes from callers by this name; the version is that of current Kubernetes.
USER_AGENT = "kube-probe/1.34"
DEFAULT_PERIOD_S = 10  # periodSeconds of a Kubernetes probe that gives none


async def succeeds(probe: Probe | None, port: int) -> bool:
    """Ask once: `httpGet` wants 200 to 399, everything else an accepted connection."""
    timeout_s = probe.timeout_seconds if probe else 1
    try:
        async with asyncio.timeout(timeout_s):
            if probe and probe.http_get:
                return 200 <= await _status(probe.http_get.path, port, timeout_s) < 400
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.close()
            return True
    except (OSError, TimeoutError, TransportError):
        return False


async def _status(path: str, port: int, timeout_s: float) -> int:
    client = Client(f"http://{LOOPBACK}:{port}", timeout_s=timeout_s)
    head = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
    try:
        answer = await client.post(f"{head}Accept: */*\r\nConnection: close\r\n\r\n".encode())
        return answer.status
    finally:
        client.close()


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
