"""Where a source sends: the address of its sink, and the name the contract has for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.base import Destination

USER_AGENT = "knative-local"
# A bearer token for Services, as Knative sends one where its sinks have an audience. In the
# environment and not on the command line, which every user of the machine can read.
TOKEN_VARIABLE = "KNATIVE_LOCAL_TOKEN"  # noqa: S105 (a name)


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go: the address in use, and the URL by which the contract names it.

    They differ for a Service: its URL is the one of a cluster, the address a local port.
    A `token` goes with every event.
    """

    address: str
    name: str
    token: str = ""

    def head(self, namespace: str, *, prefer_reply: bool) -> bytes:
        """Request line and the headers that are the same for every event."""
        parts = urlsplit(self.address)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        head += f"Kn-Namespace: {namespace}\r\n" + ("Prefer: reply\r\n" if prefer_reply else "")
        head += f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return head.encode("latin-1")


def target(destination: Destination, namespace: str, resolve: Mapping[str, str]) -> Target:
    """Where a destination is served; raises LocalRuntimeError for a Service without an address.

    A Service is shown the token of this process, nobody else is.
    """
    name = destination.url(namespace=namespace)
    if destination.ref is None:
        return Target(address=name, name=name)
    service = destination.ref.name
    owner = destination.ref.namespace or namespace
    base = resolve.get(f"{owner}/{service}") or resolve.get(service)
    if base is None:
        missing = f"no address for Service {owner}/{service}"
        raise LocalRuntimeError(f"{missing}: give --resolve {service}=URL")
    address = destination.url(base, namespace=namespace)
    return Target(address, name, own_token())


def own_token() -> str:
    """Return the token that the environment holds, or the file that it names; empty if neither."""
    if path := os.environ.get(f"{TOKEN_VARIABLE}_FILE"):
        return Path(path).read_text().strip()
    return os.environ.get(TOKEN_VARIABLE, "")
