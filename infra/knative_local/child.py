"""What the runtime's own processes share: how they are started, and how they are told to stop."""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.base import Resource
from knative_local.printable import printable

REFUSED = 2  # exit status for what the user can put right, as of any command line
LIKE_KNATIVE = (
    "stop KafkaSources as Knative's dispatcher stops: without a last commit and without leaving "
    "the group, so that events come twice, and a successor waits until the session has timed out"
)
# Python looks for cycles after so many more objects were made than have ended: what is under way
# keeps more than the usual 700.
GARBAGE_OBJECTS = 20_000  # some 5 MB
GATEWAY_DRAIN_S = 30.0  # for answers under way when the gateway is asked to stop
SOURCE_READY = "source.ready"  # what a KafkaSource logs once it polls
SOURCE_MODULES = {
    "KafkaSource": "knative_local.kafka_source",
    "PingSource": "knative_local.delivery.ping_source",
}


def gateway_command(
    manifests: Sequence[Path],
    resolve: Mapping[str, str],
    *,
    host: str,
    port: int,
    metrics_port: int | None = None,
) -> list[str]:
    """The command that serves the routes of manifests; `resolve`: where each Service is."""
    options = ["--host", host, "--port", str(port), *_metrics(metrics_port)]
    return _command("knative_local.gateway", manifests, resolve, options)


def source_command(
    manifests: Sequence[Path],
    source: Resource,
    kafka: str | None,
    resolve: Mapping[str, str],
    *,
    like_knative: bool = False,
    metrics_port: int | None = None,
) -> list[str]:
    """The command that runs one source; `kafka` replaces its manifest's bootstrap servers.

    `like_knative` is of KafkaSources only.
    """
    options = ["--name", f"{source.namespace}/{source.name}"]
    options += ["--kafka", kafka] if kafka else []
    options += ["--like-knative"] if like_knative else []
    options += _metrics(metrics_port)
    return _command(SOURCE_MODULES[source.kind], manifests, resolve, options)


def _metrics(port: int | None) -> list[str]:
    return [] if port is None else ["--metrics-port", str(port)]


def _command(
    module: str, manifests: Sequence[Path], resolve: Mapping[str, str], options: Sequence[str]
) -> list[str]:
    command = [sys.executable, "-m", module, *options]
    for path in manifests:
        command += ["--manifest", str(path)]
    for name, address in resolve.items():
        command += ["--resolve", f"{name}={address}"]
    return command


def child_parser(module: str, description: str) -> argparse.ArgumentParser:
    """The options that all of these commands have; the module adds its own."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    told = "a file or folder of manifests; may be given several times"
    parser.add_argument("--manifest", type=Path, action="append", required=True, help=told)
    told = "where a Service is served, by name or namespace/name; may be given several times"
    parser.add_argument(
        "--resolve", type=pair, action="append", default=[], metavar="NAME=URL", help=told
    )
    told = "the loopback port of this process's own metrics, for Prometheus"
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help=told)
    return parser


def pair(text: str) -> tuple[str, str]:
    """Read NAME=VALUE, as an argument's type."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def collect_garbage_rarely() -> None:
    """Look for cycles rarely from now on, and never through what the start has made."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Do the work, then wait for SIGTERM or SIGINT, which ends the work too if it still lasts."""
    stopping = asyncio.create_task(stop_event().wait())
    working = asyncio.create_task(work)
    await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()  # raises what it failed with
        await stopping
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def exit_status(program: str, run: Callable[[], int | None]) -> int:
    """Run a program; say in one line what its user can put right."""
    try:
        return run() or 0
    except LocalRuntimeError as refused:
        reason = str(refused)
    except OSError as error:
        if error.filename is None:
            raise
        reason = f"{error.filename}: {error.strerror}"
    sys.stderr.write(f"{program}: {printable(reason)}\n")
    return REFUSED
