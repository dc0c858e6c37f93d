"""Callers without tokens: whoever is on this machine, and nobody else."""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from orderflow.auth.caller import LOCAL, Caller
from orderflow.config import ListenSettings, read
from orderflow.errors import ConfigurationError, Unauthorized


async def local_caller(request: Request) -> Caller:
    """Take every caller for this machine if the connection is one within it.

    And if it was meant to be: a name of somewhere else that leads here is how a page in a browser
    gets around being of another site (DNS rebinding).
    """
    host, _ = request.scope["server"]
    if not is_loopback(host):
        raise ConfigurationError("without tokens only calls on a loopback address are answered")
    named = request.headers.getlist("host") + request.headers.getlist("x-forwarded-host")
    if not all(map(is_loopback, named)):
        raise Unauthorized("without tokens this is 127.0.0.1 or localhost only", error=None)
    return LOCAL


def require_loopback(choice: str) -> None:
    """Raise `ConfigurationError` unless this process serves this machine alone."""
    listen = read(ListenSettings)
    if listen.kubernetes_service_host:  # where a proxy beside it passes on what comes from outside
        raise ConfigurationError(f"{choice} is not for a cluster")
    if not is_loopback(listen.host):
        raise ConfigurationError(f"{choice} is only for HOST=127.0.0.1, not for {listen.host}")


@lru_cache(maxsize=64)  # what this machine is called, and some that it is not
def is_loopback(host: str) -> bool:
    """Whether a host, perhaps with a port, is one that only this machine reaches."""
    try:
        name = host if host.count(":") > 1 and "[" not in host else urlsplit(f"//{host}").hostname
        return name == "localhost" or ip_address(name or "").is_loopback
    except ValueError:
        return False
