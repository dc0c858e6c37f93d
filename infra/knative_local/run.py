"""`knative-local run`: what the manifests say, until SIGTERM or SIGINT."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from knative_local import broker
from knative_local.child import until_stopped
from knative_local.delivery.sink import own_token
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.ports import accepts, free_port
from knative_local.runtime import Runtime
from knative_local.supervisor.supervisor import Supervisor

REACHED_WITHIN_S = 1.0  # a TCP connection to the Kafka of a manifest
FIRST_DATA = '{"hello": "world"}'


async def run(given: argparse.Namespace) -> None:
    """Run what the command line says."""
    manifests, broker_port = load_manifests(given.manifests), free_port()
    away = set() if given.kafka else await _unreachable(manifests)
    stand_ins = {servers: broker.servers(broker_port) for servers in away}
    # Functions that are told of the same servers as the sources get what stands in for them.
    variables = [variable for found in manifests.services for variable in found.container.env]
    told = {v.name: stand_ins[v.value] for v in variables if v.value in stand_ins}
    runtime = Runtime(
        manifests=manifests,
        paths=given.manifests,
        project_root=Path.cwd(),
        host=given.host,
        port=given.port,
        kafka=given.kafka,
        stand_ins=stand_ins,
        overrides=told | dict(given.env),
        watch=given.watch,
        token=own_token(),
        like_knative=given.like_knative,
    )
    http = [runtime.services(), runtime.gateway()]
    if away:
        served = [source for source in manifests.kafka_sources if source.servers in away]
        topics = {topic for source in served for topic in source.spec.topics}
        http.insert(0, [broker.broker_command(broker_port, sorted(topics))])
    async with Supervisor(given.data, log_format=given.log_format) as supervisor:
        for stage in (*http, runtime.sources()):
            supervisor.add(*stage)

        async def start() -> None:
            await supervisor.start(len(http))
            as_json = given.log_format == "json"
            told = _ready(runtime) if as_json else banner(runtime, given.data)
            sys.stdout.write(told + "\n")
            sys.stdout.flush()
            await supervisor.start()

        await until_stopped(start())


async def _unreachable(manifests: Manifests) -> set[str]:
    named = {source.servers for source in manifests.kafka_sources if source.spec.consumers}
    reached = await asyncio.gather(*(asyncio.to_thread(_reached, servers) for servers in named))
    return {servers for servers, answers in zip(named, reached, strict=True) if not answers}


def _reached(servers: str) -> bool:
    places = (server.rpartition(":") for server in servers.split(","))
    return any(p.isdigit() and accepts(int(p), REACHED_WITHIN_S, host) for host, _, p in places)


def _ready(runtime: Runtime) -> str:
    told = {"component": "knative-local", "event": "ready", "services": runtime.addresses}
    return orjson.dumps(told).decode()


def banner(runtime: Runtime, data: Path) -> str:
    """What runs, where it listens, and the command that sends a first event."""
    lines = [*_places(runtime), ("logs", str(data / "logs"))]
    width = max(len(name) for name, _ in lines)
    text = "".join(f"  {name:{width}}  {where}\n" for name, where in lines)
    return f"\nReady (Ctrl-C stops it)\n\n{text}{_first_event(runtime, data)}"


def _places(runtime: Runtime) -> Iterator[tuple[str, str]]:
    yield from runtime.addresses.items()
    if runtime.manifests.routes:
        yield "gateway", f"http://{runtime.host}:{runtime.port}"
    for source in runtime.manifests.kafka_sources:
        servers = runtime.servers(source) or source.servers
        yield source.name, f"KafkaSource of {', '.join(source.spec.topics)} at {servers}"
    for ping in runtime.manifests.ping_sources:
        yield ping.name, f"PingSource, {ping.spec.schedule}"
    for away, servers in runtime.stand_ins.items():
        yield "broker", f"{servers}, embedded: {away} can't be reached (--kafka chooses another)"


def _first_event(runtime: Runtime, data: Path) -> str:
    where = "" if data == Path(".knative_local") else f" --data {data}"
    if sources := runtime.manifests.kafka_sources:
        servers = runtime.kafka or (None if runtime.stand_ins else sources[0].servers)
        where = f" --topic{where}" + (f" --kafka {servers}" if servers else "")
    targets = [*(source.spec.topics[0] for source in sources), *runtime.addresses]
    if not targets:
        return ""
    command = f"knative-local invoke {targets[0]} '{FIRST_DATA}'{where}"
    return f"\nA first event:\n\n  {command}\n"
