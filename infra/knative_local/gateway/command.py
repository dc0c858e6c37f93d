"""The command that serves the routes of some manifests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from knative_local.child import child_command

DRAIN_S = 30.0  # for answers under way when the gateway is asked to stop


def gateway_command(
    manifests: Sequence[Path], resolve: Mapping[str, str], *, host: str, port: int
) -> list[str]:
    """Return the command that serves these manifests' routes."""
    options = ("--host", host, "--port", str(port))
    return child_command("knative_local.gateway", manifests, resolve, *options)
