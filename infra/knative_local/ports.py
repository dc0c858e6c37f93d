"""Loopback ports for the processes of the runtime."""

import random
import socket
import sys

LOOPBACK = "127.0.0.1"

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing
# connections, so that a port found free cannot be lent to a client before its server binds it.
FIRST_PORT = 20_000
LAST_PORT = 31_999
ATTEMPTS = 200  # with 12,000 ports to draw from, more misses mean that none can be had

_choose = random.SystemRandom()
_held: dict[int, int | None] = {}  # ports of this process, and what holds each


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on now, and that nobody else is given.

    Servers bind theirs seconds later: two that were given one port would answer for each other.
    Raises OSError if none is found.
    """
    for _ in range(ATTEMPTS):
        port = _choose.randint(FIRST_PORT, LAST_PORT)
        if is_free(port) and _hold(port):
            return port
    raise OSError(f"no free port found on {LOOPBACK} in {ATTEMPTS} attempts")


def _hold(port: int) -> bool:
    """Take the port for this process; among processes only where Linux can name what they hold."""
    if port in _held:
        return False
    if sys.platform != "linux":
        _held[port] = None
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0knative-local-port-{port}")  # abstract: gone with its process
    except OSError:
        name.close()
        return False
    _held[port] = name.detach()
    return True


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could bind this port of this address now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections of a former server in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def accepts(port: int, timeout_s: float, host: str = LOOPBACK) -> bool:
    """Whether something accepts TCP connections on this port."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
