"""Runs one KafkaSource until SIGTERM: polls its topics and posts each record to its sink."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import uvloop

from knative_local.child import (
    LIKE_KNATIVE,
    child_parser,
    collect_garbage_rarely,
    exit_status,
    stop_event,
)
from knative_local.delivery.sender import Dispatcher, Sender
from knative_local.delivery.sink import target
from knative_local.kafka_source.consumer_config import consumer_settings
from knative_local.kafka_source.dispatcher import SourceDispatcher, announce_ready
from knative_local.manifests.base import Destination
from knative_local.manifests.loader import find, load_manifests
from knative_local.manifests.sources import KafkaSource
from knative_local.metrics import Deliveries, To, serve_metrics

# What Knative's dispatcher was seen to do on SIGTERM, and what a JVM ends with.
LEAVES_AFTER_S = 0.5
ENDED_BY_SIGTERM = 143


async def run(
    source: KafkaSource,
    kafka: str | None,
    resolve: Mapping[str, str],
    stop: asyncio.Event,
    *,
    like_knative: bool = False,
) -> None:
    """Run a source until `stop` is set; raises LocalRuntimeError when it can't go on.

    One that is `like_knative`'s is noticed to be dead as late as that.
    """
    if source.spec.consumers == 0:  # Knative schedules nothing: paused
        announce_ready(source)
        await stop.wait()
        return
    settings = consumer_settings(source, kafka, like_knative=like_knative)
    await SourceDispatcher(source, dispatcher_of(source, resolve), settings).run(stop)


def dispatcher_of(source: KafkaSource, resolve: Mapping[str, str]) -> Dispatcher:
    """Delivers to the sinks of a source, and counts it."""
    delivery, deliveries = source.spec.delivery, Deliveries(source.name)

    def sender(to: Destination, name: To) -> Sender:
        made = Sender(target(to, source.namespace, resolve), delivery, source.namespace)
        made.answered = partial(deliveries.attempted, name)
        return made

    dead = delivery.dead_letter_sink
    return Dispatcher(
        sender(source.spec.sink, "sink"),
        None if dead is None else sender(dead, "dead_letter_sink"),
        deliveries.ended,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named source; returns the exit status."""
    parser = child_parser("knative_local.kafka_source", str(__doc__))
    parser.add_argument("--name", required=True, metavar="NAMESPACE/NAME", help="which KafkaSource")
    parser.add_argument("--kafka", metavar="SERVERS", help="instead of the manifest's servers")
    parser.add_argument("--like-knative", action="store_true", help=LIKE_KNATIVE)
    given = parser.parse_args(arguments)

    async def serve() -> None:
        serve_metrics(given.metrics_port)
        source = find(load_manifests(given.manifest).kafka_sources, given.name)
        stop, resolve = stop_event(), dict(given.resolve)
        collect_garbage_rarely()
        if given.like_knative:
            _leave_abruptly()
        await run(source, given.kafka, resolve, stop, like_knative=given.like_knative)

    return exit_status("knative_local.kafka_source", lambda: uvloop.run(serve()))


def _leave_abruptly() -> None:
    # Any other end of the process would let librdkafka leave the group.
    loop = asyncio.get_running_loop()
    leave = partial(loop.call_later, LEAVES_AFTER_S, os._exit, ENDED_BY_SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, leave)


if __name__ == "__main__":
    sys.exit(main())
