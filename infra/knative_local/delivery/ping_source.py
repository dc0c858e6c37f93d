"""Runs a PingSource: an event each time its schedule says so.

The rules are those of Knative eventing's mtping adapter (runner.go) and of sdk-go's retries.
"""

import asyncio
import random
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from cronsim import CronSim

from knative_local.child import child_parser, exit_status, until_stopped
from knative_local.cloudevents.event import Event
from knative_local.delivery.sender import Sender
from knative_local.delivery.sink import target
from knative_local.json_log import log
from knative_local.manifests.loader import find, load_manifests
from knative_local.manifests.sources import Delivery, PingSource
from knative_local.metrics import Deliveries, serve_metrics

RETRIED = frozenset({404, 413, 425, 429, 502, 503, 504})  # sdk-go's default; 500 is not in it
# Waits double from 0.1 s. Knative has no timeout (K_SINK_TIMEOUT -1); none may hang for ever here.
RETRIES = Delivery.model_construct(retry=5, backoff_delay_ms=50, timeout_ms=600_000)
SPREAD_MS = 500  # each tick is delayed at random by less than this, as in Knative
MOST_UNDER_WAY = 100  # ticks still being retried; more means the sink cannot keep up


def ping_event(source: PingSource, event_id: str, now: datetime) -> Event:
    """The event of one tick; `now` is aware and becomes UTC."""
    spec = source.spec
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/apis/v1/namespaces/{source.namespace}/pingsources/{source.name}",
        "type": "dev.knative.sources.ping",
        "time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        **spec.ce_overrides.extensions,
    }
    return Event(attributes, spec.content_type or None, spec.body)


def ticks(source: PingSource, start: datetime) -> Iterator[datetime]:
    """Times after `start` at which the source fires, in its own time zone."""
    zone = source.spec.timezone
    yield from CronSim(source.spec.schedule, start.astimezone(zone))


def ping_sender(source: PingSource, resolve: Mapping[str, str]) -> Sender:
    """Sends to the sink of a source, retried as sdk-go would."""
    sink = target(source.spec.sink, source.namespace, resolve)
    is_retryable = RETRIED.__contains__
    return Sender(sink, RETRIES, source.namespace, is_retryable=is_retryable, prefer_reply=False)


async def run(source: PingSource, resolve: Mapping[str, str]) -> None:
    """Send events until cancelled; a tick that was slept through is not made up for."""
    deliveries = Deliveries(source.name)
    sender = ping_sender(source, resolve)
    sender.answered = partial(deliveries.attempted, "sink")
    try:
        async with asyncio.TaskGroup() as under_way:
            slots = asyncio.Semaphore(MOST_UNDER_WAY)
            for tick in ticks(source, datetime.now(UTC)):
                wait_s = (tick - datetime.now(UTC)).total_seconds()
                if wait_s < -1:
                    continue
                await asyncio.sleep(max(0.0, wait_s))
                await slots.acquire()
                under_way.create_task(_tick(source, sender, slots, deliveries))
    finally:
        sender.close()


async def _tick(
    source: PingSource, sender: Sender, slots: asyncio.Semaphore, deliveries: Deliveries
) -> None:
    await asyncio.sleep(random.randrange(SPREAD_MS) / 1000)  # noqa: S311 - spreads load
    began_s = monotonic()
    taken, _ = await sender.send(ping_event(source, str(uuid.uuid4()), datetime.now(UTC)))
    if not taken:
        log("error", "event.lost", reason="the sink failed", source=source.name)
    deliveries.ended("delivered" if taken else "lost", monotonic() - began_s)
    slots.release()


def main() -> int:
    """Run the named source; returns the exit status."""
    parser = child_parser("knative_local.delivery.ping_source", str(__doc__))
    parser.add_argument("--name", required=True, metavar="NAMESPACE/NAME", help="which PingSource")
    given = parser.parse_args()

    def serve() -> None:
        serve_metrics(given.metrics_port)
        source = find(load_manifests(given.manifest).ping_sources, given.name)
        asyncio.run(until_stopped(run(source, dict(given.resolve))))

    return exit_status("knative_local.delivery.ping_source", serve)


if __name__ == "__main__":
    sys.exit(main())
