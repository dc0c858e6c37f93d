"""The gateway: one port for the routes of all functions, in a process of its own.

`python -m knative_local.gateway --manifest FILE... --resolve NAME=URL... --port PORT`
"""

import argparse
import resource
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from knative_local.errors import LocalRuntimeError
from knative_local.gateway.app import Gateway
from knative_local.gateway.command import DRAIN_S
from knative_local.gateway.protocol import HEAD_WITHIN_S, MAX_CALLERS, BoundedProtocol
from knative_local.manifests.loader import load_manifests
from knative_local.ports import LOOPBACK

MAX_OPEN_FILES = 10_240  # callers, those refused just now, and 256 connections to each function


def raise_open_file_limit(wanted: int = MAX_OPEN_FILES) -> None:
    """Let this process open so many files, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < wanted:
        with suppress(ValueError):  # macOS says there is no limit, and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    """Read the command line and serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="knative_local.gateway")
    parser.add_argument("--manifest", type=Path, action="append", required=True)
    parser.add_argument("--resolve", action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    resolve = dict(pair.split("=", 1) for pair in arguments.resolve)
    raise_open_file_limit()
    try:
        gateway = Gateway(load_manifests(arguments.manifest), resolve, max_waiting=MAX_CALLERS)
    except LocalRuntimeError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    uvicorn.run(
        gateway,
        host=arguments.host,
        port=arguments.port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=MAX_CALLERS,
        timeout_keep_alive=int(HEAD_WITHIN_S),
        timeout_graceful_shutdown=int(DRAIN_S),
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="error",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
