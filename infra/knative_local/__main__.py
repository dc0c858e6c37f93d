"""`python -m knative_local run MANIFESTS...`: any manifests, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.loader import load_manifests
from knative_local.ports import LOOPBACK
from knative_local.runtime import Runtime
from knative_local.supervisor.supervisor import Supervisor

REFUSED = 2  # exit status for what the user can put right, as of any command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; return the exit status."""
    given = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(given))
    except LocalRuntimeError as refused:
        sys.stderr.write(f"knative_local: {refused}\n")
        return REFUSED
    return 0


async def _run(given: argparse.Namespace) -> None:
    runtime = Runtime(
        manifests=load_manifests(given.manifests),
        paths=given.manifests,
        project_root=Path.cwd(),
        host=given.host,
        port=given.port,
        kafka=given.kafka,
        overrides=_overrides(given.env),
    )
    async with Supervisor(given.data) as supervisor:
        for stage in runtime.stages():
            if stage:
                supervisor.add(*stage)
        await until_stopped(supervisor)


async def until_stopped(supervisor: Supervisor) -> None:
    """Start what was added and wait for SIGTERM or SIGINT, also while starting."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(supervisor.start())
    await asyncio.wait((stopping, starting), return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()  # raises what kept a component from starting
        await stopping
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting


def _overrides(pairs: Sequence[str]) -> Mapping[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise LocalRuntimeError(f"--env {pair} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="knative_local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run manifests until SIGTERM or SIGINT")
    run.add_argument("manifests", type=Path, nargs="+", help="files or folders")
    run.add_argument("--kafka", metavar="SERVERS", help="instead of the manifests' servers")
    run.add_argument("--port", type=int, default=8080, help="of the gateway (8080)")
    run.add_argument("--host", default=LOOPBACK, help="of the gateway (127.0.0.1)")
    run.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    run.add_argument("--data", type=Path, default=Path(".knative_local"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
