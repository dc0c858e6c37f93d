"""Runs Knative functions from their manifests on one machine, without a cluster.

knative-local run manifests/ --watch
knative-local invoke hello '{"name": "Ada"}'
knative-local invoke greetings '{"name": "Ada"}' --topic
"""

import asyncio
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from knative_local.child import exit_status, pair
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
    given = parser.parse_args(arguments)
    return exit_status("knative-local", lambda: asyncio.run(given.command(given)))


def _add_run(parser: ArgumentParser) -> None:
    parser.description = (
        "Run what the manifests say, until Ctrl-C: each Service as a process, each KafkaSource "
        "and PingSource, and the HTTPRoutes on one port. A field that is not honoured here is "
        "refused."
    )
    parser.set_defaults(command=run)
    add = parser.add_argument
    add("manifests", type=Path, nargs="+", help="files of manifests, or folders of such files")
    kafka = (
        "the Kafka of all sources, instead of the manifests' servers; without it a broker "
        "that keeps records in memory stands in for servers that cannot be reached"
    )
    add("--kafka", metavar="SERVERS", help=kafka)
    port = "of the gateway, or without an HTTPRoute of the first Service, the next one following"
    add("--port", type=int, default=8080, help=f"{port} (8080)")
    add("--host", default=LOOPBACK, help="the address the gateway listens on (127.0.0.1)")
    env = "a variable for the Services whose manifest names it; may be given several times"
    add("--env", type=pair, action="append", default=[], metavar="NAME=VALUE", help=env)
    add("--watch", action="store_true", help="restart a function when a file of its folder changes")
    shown = "readable lines, or one JSON object a line; the files keep what was printed"
    add("--log-format", choices=["people", "json"], default="people", help=shown)
    _add_data(parser)


def _add_invoke(parser: ArgumentParser) -> None:
    parser.description = (
        "Send a CloudEvent to a Service that runs and print its answer; or, with --topic, put a "
        "record on a topic, for the KafkaSources that read it."
    )
    parser.set_defaults(command=invoke)
    add = parser.add_argument
    add("target", metavar="NAME", help="of the Service, or of the topic")
    add("event_data", metavar="DATA", nargs="?", default="{}", help="what the event carries ({})")
    add("--topic", action="store_true", help="NAME is a topic")
    add("--key", help="the record's key; a CloudEvent has it as its partitionkey")
    add("--type", help=f"the event's type ({EVENT_TYPE}); a record without one is no CloudEvent")
    add("--kafka", metavar="SERVERS", help="where the topic is, if not on the embedded broker")
    _add_data(parser)


def _add_data(parser: ArgumentParser) -> None:
    told, folder = "where a runtime keeps its logs and its state (.knative_local)", ".knative_local"
    parser.add_argument("--data", type=Path, default=Path(folder), metavar="DIR", help=told)


if __name__ == "__main__":
    sys.exit(main())
