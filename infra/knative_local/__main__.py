"""Runs Knative functions from their manifests on one machine, without a cluster.

knative-local run manifests/ --watch
knative-local invoke hello '{"name": "Ada"}'
knative-local invoke greetings '{"name": "Ada"}' --topic
knative-local gateway manifests/ --services http://{name}:8080 --host 0.0.0.0
knative-local sources manifests/ --services http://{name}:8080 --kafka kafka:9092
"""

import asyncio
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from knative_local.child import LIKE_KNATIVE, exit_status, pair
from knative_local.elsewhere import run_gateway, run_sources
from knative_local.invoke import EVENT_TYPE, invoke
from knative_local.ports import LOOPBACK
from knative_local.run import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    text = RawDescriptionHelpFormatter
    parser = ArgumentParser("knative-local", description=__doc__, formatter_class=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="run manifests until Ctrl-C"))
    _add_invoke(commands.add_parser("invoke", help="send an event to what runs"))
    _add_gateway(commands.add_parser("gateway", help="serve routes to Services elsewhere"))
    _add_sources(commands.add_parser("sources", help="run sources for Services elsewhere"))
    given = parser.parse_args(arguments)
    return exit_status("knative-local", lambda: given.command(given))


def _add_run(parser: ArgumentParser) -> None:
    parser.description = (
        "Run what the manifests say, until Ctrl-C: each Service as a process, each KafkaSource "
        "and PingSource, and the HTTPRoutes on one port. A field that is not honoured here is "
        "refused."
    )
    parser.set_defaults(command=lambda given: asyncio.run(run(given)))
    add = parser.add_argument
    _add_manifests(parser)
    kafka = (
        "the Kafka of all sources, instead of the manifests' servers; without it a broker "
        "that keeps records in memory stands in for servers that cannot be reached"
    )
    add("--kafka", metavar="SERVERS", help=kafka)
    port = "of the gateway, or without an HTTPRoute of the first Service, the next one following"
    _add_address(parser, port)
    env = "a variable for the Services whose manifest names it; may be given several times"
    add("--env", type=pair, action="append", default=[], metavar="NAME=VALUE", help=env)
    add("--watch", action="store_true", help="restart a function when a file of its folder changes")
    add("--like-knative", action="store_true", help=LIKE_KNATIVE)
    shown = "readable lines, or one JSON object a line; the files keep what was printed"
    add("--log-format", choices=["people", "json"], default="people", help=shown)
    _add_data(parser)


def _add_invoke(parser: ArgumentParser) -> None:
    parser.description = (
        "Send a CloudEvent to a Service that runs and print its answer; or, with --topic, put a "
        "record on a topic, for the KafkaSources that read it."
    )
    parser.set_defaults(command=lambda given: asyncio.run(invoke(given)))
    add = parser.add_argument
    add("target", metavar="NAME", help="of the Service, or of the topic")
    add("event_data", metavar="DATA", nargs="?", default="{}", help="what the event carries ({})")
    add("--topic", action="store_true", help="NAME is a topic")
    add("--key", help="the record's key; a CloudEvent has it as its partitionkey")
    add("--type", help=f"the event's type ({EVENT_TYPE}); a record without one is no CloudEvent")
    add("--kafka", metavar="SERVERS", help="where the topic is, if not on the embedded broker")
    _add_data(parser)


def _add_gateway(parser: ArgumentParser) -> None:
    parser.description = "Serve the HTTPRoutes of manifests, whose Services run elsewhere."
    parser.set_defaults(command=run_gateway)
    _add_manifests(parser)
    _add_services(parser)
    _add_address(parser, "of the gateway")
    _add_metrics(parser)


def _add_sources(parser: ArgumentParser) -> None:
    parser.description = (
        "Run every KafkaSource and PingSource of manifests, whose Services run elsewhere, in one "
        "process. It ends when one of them fails."
    )
    parser.set_defaults(command=run_sources)
    _add_manifests(parser)
    _add_services(parser)
    kafka = "the Kafka of all sources, instead of the manifests' servers"
    parser.add_argument("--kafka", metavar="SERVERS", help=kafka)
    _add_metrics(parser)


def _add_manifests(parser: ArgumentParser) -> None:
    told = "files of manifests, or folders of such files"
    parser.add_argument("manifests", type=Path, nargs="+", help=told)


def _add_services(parser: ArgumentParser) -> None:
    told = "where a Service is, with {name} for its name and, if need be, {namespace}"
    parser.add_argument("--services", required=True, metavar="URL", help=told)


def _add_address(parser: ArgumentParser, port: str) -> None:
    parser.add_argument("--port", type=int, default=8080, help=f"{port} (8080)")
    told = "the address the gateway listens on (127.0.0.1)"
    parser.add_argument("--host", default=LOOPBACK, help=told)


def _add_metrics(parser: ArgumentParser) -> None:
    told = "answer Prometheus on this port with the metrics of this process"
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help=told)
    told = "the address that Prometheus is answered on (127.0.0.1)"
    parser.add_argument("--metrics-host", default=LOOPBACK, metavar="HOST", help=told)


def _add_data(parser: ArgumentParser) -> None:
    told, folder = "where a runtime keeps its logs and its state (.knative_local)", ".knative_local"
    parser.add_argument("--data", type=Path, default=Path(folder), metavar="DIR", help=told)


if __name__ == "__main__":
    sys.exit(main())
