"""Loopback ports for the processes of the runtime."""

import os
import random
import socket
import sys
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
ATTEMPTS = 200  # with 12,000 ports to draw from, more misses mean that none can be had


@dataclass
class Ports:
    """A range of ports, of which each is given to one taker only.

    It lies below the range from which Linux (32768) and macOS (49152) take the ports of outgoing
    connections, so that a port found free cannot be lent to a client before its server binds it.
    """

    first: int = 20_000
    last: int = 31_999
    _held: dict[int, int | None] = field(default_factory=dict)

    def free_port(self) -> int:
        """Return a port that nothing listens on now, and that no other process is given.

        Servers bind theirs seconds later: two that were given one port would answer for each
        other. Raises OSError if none is found.
        """
        for _ in range(ATTEMPTS):
            port = random.SystemRandom().randint(self.first, self.last)
            if port not in self._held and is_free(port) and self._hold(port):
                return port
        raise OSError(f"no free port found on {LOOPBACK} in {ATTEMPTS} attempts")

    def _hold(self, port: int) -> bool:
        if sys.platform != "linux":  # which alone has names that processes share
            self._held[port] = None
            return True
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0knative-local-port-{port}")  # abstract: gone with its process
        except OSError:
            name.close()
            return False
        self._held[port] = name.detach()
        return True

    def close(self) -> None:
        """Give all of them back."""
        for descriptor in filter(None, self._held.values()):
            os.close(descriptor)
        self._held.clear()


free_port = Ports().free_port


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
