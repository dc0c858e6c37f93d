"""Runs one KafkaSource in a process of its own: `python -m knative_local.kafka_source`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from knative_local.delivery.sender import Dispatcher, Sender
from knative_local.delivery.sink import SourceError, target
from knative_local.errors import LocalRuntimeError
from knative_local.kafka_source.dispatcher import SourceDispatcher, announce_ready
from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.loader import load_manifests


def source_command(
    manifest_paths: Sequence[Path],
    source: KafkaSource,
    kafka: str | None,
    resolve: Mapping[str, str],
) -> list[str]:
    """The command that runs a source.

    `kafka` replaces the manifest's bootstrap servers; `resolve` maps the name of a Service, or
    `namespace/name`, to the address it is served at.
    """
    command = [sys.executable, "-m", "knative_local.kafka_source", "--manifest"]
    command += [str(path) for path in manifest_paths]
    command += ["--name", f"{source.namespace}/{source.name}"]
    command += ["--kafka", kafka] if kafka else []
    for name, address in resolve.items():
        command += ["--resolve", f"{name}={address}"]
    return command


async def run(source: KafkaSource, kafka: str | None, resolve: Mapping[str, str]) -> None:
    """Run a source until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if source.spec.consumers == 0:  # Knative schedules nothing: paused
        announce_ready(source)
        await stop.wait()
        return
    await SourceDispatcher(source, _dispatcher(source, resolve), kafka).run(stop)


def _dispatcher(source: KafkaSource, resolve: Mapping[str, str]) -> Dispatcher:
    delivery, namespace = source.spec.delivery, source.namespace
    sink = Sender(target(source.spec.sink, namespace, resolve), delivery, namespace)
    if delivery.dead_letter_sink is None:
        return Dispatcher(sink, None)
    dead = target(delivery.dead_letter_sink, namespace, resolve)
    return Dispatcher(sink, Sender(dead, delivery, namespace))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="knative_local.kafka_source", description=__doc__)
    parser.add_argument("--manifest", nargs="+", type=Path, required=True, metavar="FILE")
    parser.add_argument("--name", required=True, metavar="NAMESPACE/NAME")
    parser.add_argument("--kafka", metavar="SERVERS")
    parser.add_argument("--resolve", action="append", default=[], metavar="NAME=URL")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named source; returns the exit status."""
    given = _arguments(arguments)
    resolve = dict(pair.split("=", 1) for pair in given.resolve)
    try:
        found = {f"{s.namespace}/{s.name}": s for s in load_manifests(given.manifest).kafka_sources}
        if given.name not in found:
            raise SourceError(f"no KafkaSource {given.name} in the manifests")
        uvloop.run(run(found[given.name], given.kafka, resolve))
    except LocalRuntimeError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
