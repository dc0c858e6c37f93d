"""The command that serves the routes of some manifests."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

DRAIN_S = 30.0  # for answers under way when the gateway is asked to stop


def gateway_command(
    manifests: Sequence[Path], resolve: Mapping[str, str], *, host: str, port: int
) -> list[str]:
    """Return the command that serves these manifests' routes."""
    command = [sys.executable, "-m", "knative_local.gateway", "--host", host, "--port", str(port)]
    for path in manifests:
        command += ["--manifest", str(path)]
    for name, url in resolve.items():
        command += ["--resolve", f"{name}={url}"]
    return command
