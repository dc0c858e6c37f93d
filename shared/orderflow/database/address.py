"""Where a database is: its URL as pg8000 takes it, over TCP or a Unix socket."""

import os
import socket
import ssl
from contextlib import ExitStack
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

CONNECT_TIMEOUT_S = 2  # a server that is there accepts at once
MAX_SOCKET_PATH_BYTES = 103  # of macOS; Linux has four more


def connection_arguments(url: str, answer_timeout_s: float) -> dict[str, Any]:
    """Return what pg8000 connects with, its socket open; raises `OSError`.

    The socket has the two time limits that pg8000 can't be told. A server's Unix socket is written
    as libpq has it: its folder percent-encoded in the host's place, or as the parameter `host`.
    Over TCP `sslmode` is libpq's, with `prefer` where it is not given; every mode above that checks
    the certificate and the name in it.
    """
    parts = urlsplit(url)
    host = _host(parts)
    connected = _connected(host, parts.port or 5432)
    connected.settimeout(answer_timeout_s)
    return {
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password) if parts.password else None,
        "host": host,
        "database": unquote(parts.path.lstrip("/")) or None,
        "sock": connected,
        "application_name": "orderflow",
        "ssl_context": not host.startswith("/") and _ssl_context(parse_qs(parts.query)),
    }


def _ssl_context(query: dict[str, list[str]]) -> ssl.SSLContext | Literal[False] | None:
    # False is without TLS, None with whatever the server has.
    mode = query.get("sslmode", ["prefer"])[0]
    if mode in {"disable", "prefer"}:
        return False if mode == "disable" else None
    trusted = query.get("sslrootcert", ["system"])[0]
    return ssl.create_default_context(cafile=None if trusted == "system" else trusted)


def _host(parts: SplitResult) -> str:
    encoded = parts.netloc.rpartition("@")[2].partition(":")[0]
    if encoded.upper().startswith("%2F"):
        return unquote(encoded)
    return parse_qs(parts.query).get("host", [parts.hostname or "127.0.0.1"])[0]


def _connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        connected = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    path = f"{host}/.s.PGSQL.{port}"
    with ExitStack() as opened:
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:  # Linux takes it from an open folder
            folder = os.open(host, os.O_RDONLY | os.O_DIRECTORY)
            opened.callback(os.close, folder)
            path = f"/proc/self/fd/{folder}/.s.PGSQL.{port}"
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(CONNECT_TIMEOUT_S)
        try:
            connected.connect(path)
        except BaseException:
            connected.close()
            raise
    return connected
