"""Runs one KafkaSource until SIGTERM: polls its topics and posts each record to its sink."""

import asyncio
import sys
from collections.abc import Mapping, Sequence

import uvloop

from knative_local.child import child_parser, exit_status, stop_event
from knative_local.delivery.sender import Dispatcher, Sender
from knative_local.delivery.sink import target
from knative_local.kafka_source.dispatcher import SourceDispatcher, announce_ready
from knative_local.manifests.loader import find, load_manifests
from knative_local.manifests.sources import KafkaSource


async def run(
    source: KafkaSource, kafka: str | None, resolve: Mapping[str, str], stop: asyncio.Event
) -> None:
    """Run a source until `stop` is set; raises LocalRuntimeError when it can't go on."""
    if source.spec.consumers == 0:  # Knative schedules nothing: paused
        announce_ready(source)
        await stop.wait()
        return
    delivery, namespace = source.spec.delivery, source.namespace
    sink = Sender(target(source.spec.sink, namespace, resolve), delivery, namespace)
    dead = None
    if delivery.dead_letter_sink is not None:
        to = target(delivery.dead_letter_sink, namespace, resolve)
        dead = Sender(to, delivery, namespace)
    await SourceDispatcher(source, Dispatcher(sink, dead), kafka).run(stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named source; returns the exit status."""
    parser = child_parser("knative_local.kafka_source", str(__doc__))
    parser.add_argument("--name", required=True, metavar="NAMESPACE/NAME", help="which KafkaSource")
    parser.add_argument("--kafka", metavar="SERVERS", help="instead of the manifest's servers")
    given = parser.parse_args(arguments)

    async def serve() -> None:
        source = find(load_manifests(given.manifest).kafka_sources, given.name)
        await run(source, given.kafka, dict(given.resolve), stop_event())

    return exit_status("knative_local.kafka_source", lambda: uvloop.run(serve()))


if __name__ == "__main__":
    sys.exit(main())
