"""`knative-local run`: what the manifests say, until SIGTERM or SIGINT."""

import argparse
import asyncio
import sys
from pathlib import Path

import orjson

from knative_local import broker
from knative_local.child import until_stopped
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.ports import accepts, free_port
from knative_local.runtime import Runtime
from knative_local.supervisor.spec import Command
from knative_local.supervisor.supervisor import Supervisor

REACHED_WITHIN_S = 1.0  # a TCP connection to the Kafka of a manifest


async def run(given: argparse.Namespace) -> None:
    """Run what the command line says."""
    manifests, broker_port = load_manifests(given.manifests), free_port()
    away = set() if given.kafka else await _unreachable(manifests)
    stand_ins = {servers: broker.servers(broker_port) for servers in away}
    runtime = Runtime(
        manifests=manifests,
        paths=given.manifests,
        project_root=Path.cwd(),
        host=given.host,
        port=given.port,
        kafka=given.kafka,
        stand_ins=stand_ins,
        overrides=_overrides(manifests, stand_ins) | dict(given.env),
        watch=given.watch,
    )
    http: list[list[Command]] = [runtime.services(), runtime.gateway()]
    if away:
        served = [source for source in manifests.kafka_sources if source.servers in away]
        topics = {topic for source in served for topic in source.spec.topics}
        http.insert(0, [broker.broker_command(broker_port, sorted(topics))])
    async with Supervisor(given.data, log_format=given.log_format) as supervisor:
        for stage in http:
            supervisor.add(*stage)
        supervisor.add(*runtime.sources())

        async def start() -> None:
            await supervisor.start(len(http))
            _say(banner(runtime, given.data), runtime, given.log_format)
            await supervisor.start()

        await until_stopped(start())


async def _unreachable(manifests: Manifests) -> set[str]:
    named = {source.servers for source in manifests.kafka_sources if source.spec.consumers}
    reached = await asyncio.gather(*(asyncio.to_thread(_reached, servers) for servers in named))
    return {servers for servers, answers in zip(named, reached, strict=True) if not answers}


def _reached(servers: str) -> bool:
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        if port.isdigit() and accepts(int(port), REACHED_WITHIN_S, host):
            return True
    return False


def _overrides(manifests: Manifests, stand_ins: dict[str, str]) -> dict[str, str]:
    """For functions that are told of the same servers as the sources: what stands in for them."""
    variables = [variable for s in manifests.services for variable in s.container.env]
    return {v.name: stand_ins[v.value] for v in variables if v.value in stand_ins}


def banner(runtime: Runtime, data: Path) -> str:
    """What runs, where it listens, and the command that sends a first event."""
    lines = [(name, address) for name, address in runtime.addresses.items()]
    if runtime.manifests.routes:
        lines.append(("gateway", f"http://{runtime.host}:{runtime.port}"))
    for source in runtime.manifests.kafka_sources:
        servers = runtime.kafka or runtime.stand_ins.get(source.servers, source.servers)
        lines.append((source.name, f"KafkaSource of {', '.join(source.spec.topics)} at {servers}"))
    lines += [(s.name, f"PingSource, {s.spec.schedule}") for s in runtime.manifests.ping_sources]
    for away, servers in runtime.stand_ins.items():
        lines.append(
            ("broker", f"{servers}, embedded: {away} can't be reached (--kafka chooses another)")
        )
    lines.append(("logs", str(data / "logs")))
    width = max(len(name) for name, _ in lines)
    text = "".join(f"  {name:{width}}  {where}\n" for name, where in lines)
    return f"\nReady (Ctrl-C stops it)\n\n{text}{_first_event(runtime, data)}\n"


def _first_event(runtime: Runtime, data: Path) -> str:
    where = "" if data == Path(".knative_local") else f" --data {data}"
    if sources := runtime.manifests.kafka_sources:
        servers = runtime.kafka or (None if runtime.stand_ins else sources[0].servers)
        where += f" --kafka {servers}" if servers else ""
        target, topic = sources[0].spec.topics[0], " --topic"
    elif runtime.manifests.services:
        target, topic = runtime.manifests.services[0].name, ""
    else:
        return ""
    example = '{"hello": "world"}'
    return f"\nA first event:\n\n  knative-local invoke {target} '{example}'{topic}{where}\n"


def _say(text: str, runtime: Runtime, log_format: str) -> None:
    if log_format == "json":
        line = {"component": "knative-local", "event": "ready", "services": runtime.addresses}
        text = orjson.dumps(line).decode() + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()
