"""Calls functions as fast as they answer, each in its turn; returns calls a second."""

import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import uvloop
from rich.console import Console

from knative_local.child import gateway_command
from knative_local.http_client.client import Client
from knative_local.manifests.loader import load_manifests
from knative_local.ports import free_port
from knative_local.supervisor.spec import program
from orderflow_cli.demo.orders import post
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from tests.support.waiting import eventually

ROUNDS = 9  # the median of so many: a noisy machine spoils a few
CALLS = 2_000  # a round: seconds of work, and no more, so that all get the same weather
SLOW_CALLS = {"seed": 300}  # about as many seconds
CALLS_OF_ONE = 300  # by one caller
CONNECTIONS = 32
WARM_UP = 100
WITHIN_S = 60.0  # for anything to start, or to get through all events

Tokens = Callable[[int], Sequence[str]]
"""Makes the tokens of so many calls, before they are timed."""


def without_tokens(count: int) -> Sequence[str]:
    """Show none."""
    return [""] * count


class Round(NamedTuple):
    """Calls a second, and how long one took: in the middle, and 99 of 100 at most."""

    per_s: float
    p50_ms: float
    p99_ms: float


class Measured(NamedTuple):
    """What a variant did in its rounds."""

    rounds: Sequence[Round]

    @property
    def median(self) -> float:
        """The middle of the calls a second."""
        return statistics.median(done.per_s for done in self.rounds)

    @property
    def latency_ms(self) -> tuple[float, float]:
        """The middle of the rounds' p50, and of their p99."""
        p50 = statistics.median(done.p50_ms for done in self.rounds)
        return p50, statistics.median(done.p99_ms for done in self.rounds)

    def range(self) -> str:
        """Say the median, the lowest and the highest."""
        return median_and_range([done.per_s for done in self.rounds])


Rates = Mapping[str, Measured]


def median_and_range(values: Sequence[float]) -> str:
    """Say the median, the lowest and the highest."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that such a share of the ordered values does not exceed."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@contextmanager
def process(argv: Sequence[str], **environment: str) -> Iterator[None]:
    """Run a command during the block."""
    env = {**os.environ, **environment}
    running = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(WITHIN_S)


@contextmanager
def function(folder: Path, name: str, *flags: str, **told: str) -> Iterator[str]:
    """Serve a function as functions-framework does; yield its URL."""
    port = free_port()
    argv = [program("functions-framework"), *flags, "--target", name]
    argv += ["--source", str(folder / name / "main.py")]
    # Four processes of one thread serve the plain function best: threads that share a producer
    # only wait for each other's flush.
    told |= {} if "--asgi" in flags else {"WORKERS": "4", "THREADS": "1"}
    with process(argv, HOST="127.0.0.1", PORT=str(port), LOG_LEVEL="warning", **told):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url


@contextmanager
def gateway(to: str) -> Iterator[str]:
    """Serve the routes with every function at `to`; yield the gateway's URL."""
    port = free_port()
    services = load_manifests([ROOT / MANIFESTS]).services
    resolve = {service.name: to for service in services}
    with process(gateway_command([ROOT / MANIFESTS], resolve, host="127.0.0.1", port=port)):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url


def answers(url: str) -> bool:
    """Whether anything answers there."""
    try:
        httpx.get(f"{url}/healthz")
    except httpx.TransportError:
        return False
    return True


async def round_of_calls(
    url: str,
    run: str,
    count: int,
    tokens: Tokens = without_tokens,
    *,
    connections: int = CONNECTIONS,
) -> Round:
    """Place orders over HTTP, each caller its next one as soon as it is answered."""
    client = Client(url, timeout_s=30.0, size=connections)
    bodies = (
        {"order_id": f"{run}-{number}", "item": f"Item {number % 50}", "quantity": 1}
        for number in range(count)
    )
    heads = (f"Authorization: Bearer {token}\r\n" if token else "" for token in tokens(count))
    posts = [post(url, "/order", body).split(b"\r\n", 1) for body in bodies]
    shown = zip(posts, heads, strict=True)
    requests = iter([b"%s\r\n%s%s" % (line, head.encode(), rest) for (line, rest), head in shown])
    took_ms: list[float] = []

    async def caller() -> None:
        for request in requests:
            began = time.perf_counter()
            answer = await client.post(request)
            took_ms.append((time.perf_counter() - began) * 1000)
            assert answer.status == 201, answer

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(connections)))
    per_s = count / (time.perf_counter() - started)
    client.close()
    took_ms.sort()
    return Round(per_s, percentile(took_ms, 0.5), percentile(took_ms, 0.99))


def http_rates(
    console: Console,
    urls: Mapping[str, str],
    tokens: Mapping[str, Tokens] | None = None,
    *,
    connections: int = CONNECTIONS,
    rounds: int = ROUNDS,
) -> Rates:
    """Return the rates of each, taking turns; some show tokens."""
    shown = tokens or {}
    rates: dict[str, list[Round]] = {name: [] for name in urls}

    def round_of(name: str, run: str, count: int) -> Round:
        told = shown.get(name, without_tokens)
        run = f"{name}-{connections}-{run}"
        return uvloop.run(round_of_calls(urls[name], run, count, told, connections=connections))

    for name in urls:
        round_of(name, "warm", WARM_UP)
    with bar(console, f"HTTP rounds, {connections} callers", rounds * len(urls)) as advance:
        for turn in range(rounds):
            for name in urls:
                usual = CALLS if connections > 1 else CALLS_OF_ONE
                rates[name].append(round_of(name, str(turn), SLOW_CALLS.get(name, usual)))
                advance(sum(map(len, rates.values())), rounds * len(urls))
    return {name: Measured(measured) for name, measured in rates.items()}
