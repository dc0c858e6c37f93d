"""`knative-local gateway` and `sources`: the ways in, to Services that run elsewhere.

As in containers, where each Service has a host name and something else keeps it running. What runs
here is one process, which ends when a part of it can't go on, to be started again.
"""

import argparse
import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop

from knative_local.child import stop_event
from knative_local.delivery import ping_source
from knative_local.errors import LocalRuntimeError
from knative_local.gateway.__main__ import serve
from knative_local.kafka_source import __main__ as kafka_source
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.manifests.sources import PingSource
from knative_local.metrics import serve_metrics

NAMED = "{name}"  # in the template of addresses: the Service's name, and beside it its {namespace}


def addresses(manifests: Manifests, template: str) -> dict[str, str]:
    """Return where each Service is; raises LocalRuntimeError for a template that names none."""
    if NAMED not in template:
        raise LocalRuntimeError(f"--services {template} leads to one place: put {NAMED} into it")
    return {
        service.name: template.replace(NAMED, service.name).replace(
            "{namespace}", service.namespace
        )
        for service in manifests.services
    }


def run_gateway(given: argparse.Namespace) -> None:
    """Serve the routes until SIGTERM, as the command line says."""
    manifests = load_manifests(given.manifests)
    if not manifests.routes:
        raise LocalRuntimeError("no HTTPRoute in these manifests")
    where = addresses(manifests, given.services)
    serve_metrics(given.metrics_port, given.metrics_host)
    serve(manifests, where, host=given.host, port=given.port)


def run_sources(given: argparse.Namespace) -> None:
    """Run every source until SIGTERM, or until one of them fails, whose error is raised."""
    manifests = load_manifests(given.manifests)
    where = addresses(manifests, given.services)
    if not (manifests.kafka_sources or manifests.ping_sources):
        raise LocalRuntimeError("no KafkaSource and no PingSource in these manifests")
    serve_metrics(given.metrics_port, given.metrics_host)
    uvloop.run(_run_sources(manifests, where, given.kafka))


async def _run_sources(manifests: Manifests, where: dict[str, str], kafka: str | None) -> None:
    stop = stop_event()
    sources = [kafka_source.run(source, kafka, where, stop) for source in manifests.kafka_sources]
    sources += [_ping(source, where, stop) for source in manifests.ping_sources]
    ending = (_ending_all(source, stop) for source in sources)
    for error in await asyncio.gather(*ending, return_exceptions=True):
        if error is not None:
            raise error


async def _ending_all(source: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    try:
        await source
    finally:
        stop.set()  # the others finish what they have in flight


async def _ping(source: PingSource, where: dict[str, str], stop: asyncio.Event) -> None:
    sending, stopping = (
        asyncio.ensure_future(work) for work in (ping_source.run(source, where), stop.wait())
    )
    await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
    if sending.done():
        sending.result()  # raises what it failed with
    sending.cancel()
