"""Runs Knative functions from their manifests on one machine, without a cluster.

knative-local run manifests/ --watch
knative-local invoke hello '{"name": "Ada"}'
knative-local invoke greetings '{"name": "Ada"}' --topic
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from knative_local.child import exit_status, pair
from knative_local.invoke import EVENT_TYPE, invoke
from knative_local.ports import LOOPBACK
from knative_local.run import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    given = _parser().parse_args(arguments)
    return exit_status("knative-local", lambda: asyncio.run(given.command(given)))


def _parser() -> argparse.ArgumentParser:
    text = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("knative-local", description=__doc__, formatter_class=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run_parser = commands.add_parser("run", help="run manifests until Ctrl-C")
    invoke_parser = commands.add_parser("invoke", help="send an event to what runs")
    _add_run(run_parser)
    _add_invoke(invoke_parser)
    told = "where a runtime keeps its logs and its state (.knative_local)"
    for command in (run_parser, invoke_parser):
        command.add_argument(
            "--data", type=Path, default=Path(".knative_local"), metavar="DIR", help=told
        )
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run what the manifests say, until Ctrl-C: each Service as a process, each KafkaSource "
        "and PingSource, and the HTTPRoutes on one port. A field that is not honoured here is "
        "refused."
    )
    parser.set_defaults(command=run)
    add = parser.add_argument
    add("manifests", type=Path, nargs="+", help="files of manifests, or folders of such files")
    add(
        "--kafka",
        metavar="SERVERS",
        help="the Kafka of all sources, instead of the manifests' servers; without it a broker "
        "that keeps records in memory stands in for servers that cannot be reached",
    )
    add(
        "--port",
        type=int,
        default=8080,
        help="of the gateway, or without an HTTPRoute of the first Service, the next one "
        "following (8080)",
    )
    add("--host", default=LOOPBACK, help="the address the gateway listens on (127.0.0.1)")
    add(
        "--env",
        type=pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable for the Services whose manifest names it; may be given several times",
    )
    add("--watch", action="store_true", help="restart a function when a file of its folder changes")
    add(
        "--log-format",
        choices=["people", "json"],
        default="people",
        help="readable lines, or one JSON object a line; the files keep what was printed",
    )


def _add_invoke(parser: argparse.ArgumentParser) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
