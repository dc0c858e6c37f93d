"""Where the figures come from: `GET /overview` of a gateway."""

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from orderflow.errors import ConfigurationError

TIMEOUT_S = 5.0  # above the 2 s after which Kafka is not waited for
MAX_BYTES = 1024 * 1024  # an overview is some 20 KB

Overview = dict[str, Any]


class NoAnswer(Exception):
    """There are no figures now; the message says why, in one line."""


class Gateway:
    """A gateway at `http://host:port` or `https://host`, asked with this token if there is one.

    Raises `ConfigurationError` if that is no such URL.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        try:
            known = parts.scheme in {"http", "https"} and parts.hostname
            port = parts.port
        except ValueError:
            known = None
        if not known:
            raise ConfigurationError(f"{url} is no URL of a gateway, as http://127.0.0.1:8080")
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port, self._path = str(known), port, f"{parts.path}/overview"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def overview(self) -> Overview:
        """Return the figures; raises `NoAnswer`, and `ConfigurationError` if the token won't do."""
        connection = self._kind(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", self._path, headers=self._headers)
            response = connection.getresponse()
            body = response.read(MAX_BYTES)
        except (OSError, HTTPException) as error:
            raise NoAnswer(
                f"{self.url} does not answer: {error or type(error).__name__}"
            ) from error
        finally:
            connection.close()
        return _figures(self.url, response.status, body)


def _figures(url: str, status: int, body: bytes) -> Overview:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise NoAnswer(f"{url} answered {status}, and no JSON: is OrderFlow there?")
    if status in {401, 403}:
        need = "set ORDERFLOW_TOKEN to a token with the scope operations"
        raise ConfigurationError(f"{url} answered {status}, {told.get('detail')}; {need}")
    if status != 200:
        raise NoAnswer(f"{url} answered {status}: {told.get('detail')}")
    return told
