"""Loopback ports for the processes of the runtime."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing
# connections, so that a port found free cannot be lent to a client before its server binds it.
FIRST_PORT = 20_000
LAST_PORT = 31_999
ATTEMPTS = 200  # with 12,000 ports to draw from, more misses mean that none can be had

_choose = random.SystemRandom()


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on now; raise OSError if none is found."""
    for _ in range(ATTEMPTS):
        port = _choose.randint(FIRST_PORT, LAST_PORT)
        if is_free(port):
            return port
    raise OSError(f"no free port found on {LOOPBACK} in {ATTEMPTS} attempts")


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
