"""The gateway: one port for the routes of all functions, in a process of its own."""

import argparse
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress

import uvicorn

from knative_local.child import (
    GATEWAY_DRAIN_S,
    child_parser,
    collect_garbage_rarely,
    exit_status,
)
from knative_local.gateway.app import Gateway
from knative_local.gateway.protocol import HEAD_WITHIN_S, MAX_CALLERS, BoundedProtocol
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.metrics import serve_metrics
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
    parser = child_parser("knative_local.gateway", str(__doc__))
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="the port to listen on (8080)")
    given = parser.parse_args()
    return exit_status("gateway", lambda: _serve(given))


def _serve(given: argparse.Namespace) -> None:
    manifests = load_manifests(given.manifest)
    serve_metrics(given.metrics_port)
    serve(manifests, dict(given.resolve), host=given.host, port=given.port)


def serve(manifests: Manifests, resolve: Mapping[str, str], *, host: str, port: int) -> None:
    """Serve the routes of manifests until SIGTERM; `resolve` says where each Service is."""
    raise_open_file_limit()
    collect_garbage_rarely()
    uvicorn.run(
        Gateway(manifests, resolve, max_waiting=MAX_CALLERS),
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=MAX_CALLERS,
        timeout_keep_alive=int(HEAD_WITHIN_S),
        timeout_graceful_shutdown=int(GATEWAY_DRAIN_S),
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="error",
    )


if __name__ == "__main__":
    sys.exit(main())
