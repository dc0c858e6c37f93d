"""One call: what is sent, when it is sent again, and how its failures are told."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

ATTEMPTS = 6  # some ten seconds of waiting: a function's restart, a database's short outage
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
LONGEST_RETRY_AFTER_S = 30.0  # who is told to wait for longer decides for itself
# "Not now". After 408 and 429 nothing was done; after the others it may be: hence the key.
RETRIED = frozenset({408, 429, 502, 503, 504})
TIMEOUT_S = 15.0  # above the 10 s that a statement of the database may take
AUDIT_TIMEOUT_S = 310.0  # above the 300 s after which a gateway gives up


class Problem(Exception):
    """OrderFlow refused: an RFC 9457 problem.

    `type` is stable, as `/problems/conflict`; `errors` names each wrong field and what is wrong.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            told = response.json()
        except ValueError:
            told = {}
        told = told if isinstance(told, dict) else {}
        self.status = response.status_code
        self.type = str(told.get("type", "about:blank"))
        self.title = str(told.get("title", response.reason_phrase))
        self.detail = str(told.get("detail", ""))
        self.errors: list[dict[str, str]] = told.get("errors", [])
        self.retry_after_s = retry_after_s(response)
        super().__init__(f"{self.status} {self.title}: {self.detail}".rstrip(": "))


class Unreachable(Exception):
    """No answer in any attempt; whether a write was done is not known, and repeating it is safe."""


@dataclass(frozen=True)
class Call:
    """A request; every write has a key, under which OrderFlow does it once."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""
    timeout_s: float | None = None  # None: that of the client

    def request(self, http: httpx.Client | httpx.AsyncClient, token: str | None) -> httpx.Request:
        """Build it anew for an attempt."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if self.idempotency_key:
            headers["Idempotency-Key"] = self.idempotency_key
        query = {name: value for name, value in self.query.items() if value is not None}
        params = query or None  # an empty one would drop the query that a link has
        return http.build_request(
            self.method,
            self.path,
            json=self.body,
            headers=headers,
            params=params,
            timeout=self.timeout_s or http.timeout,
        )


def get(*path: str, **query: Any) -> Call:
    """Return a call that reads."""
    return Call("GET", path_of(*path), query=query)


def write(
    method: str,
    *path: str,
    body: Mapping[str, Any],
    idempotency_key: str | None = None,
    timeout_s: float | None = None,
) -> Call:
    """Return a call that writes, under this key or one of its own."""
    key = idempotency_key or str(uuid.uuid4())
    return Call(method, path_of(*path), body, idempotency_key=key, timeout_s=timeout_s)


def path_of(*segments: str) -> str:
    """Return a path; a slash in a segment is part of a name."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def next_page(response: httpx.Response) -> Call | None:
    """Return the call of the page that follows, if there is one."""
    link = response.links.get("next")
    return Call("GET", link["url"]) if link else None


class Attempts:
    """The attempts of one call, and the pauses between them, in seconds."""

    def __init__(self) -> None:
        self._left = ATTEMPTS
        self._pause_s = FIRST_PAUSE_S

    def pause_without_answer(self, error: httpx.TransportError) -> float:
        """Return how long to wait before the next; raises `Unreachable` after the last."""
        self._left -= 1
        if not self._left:
            raise Unreachable(f"no answer in {ATTEMPTS} attempts: {error}") from error
        return self._next_pause_s()

    def pause_after(self, response: httpx.Response) -> float | None:
        """Return None if this is the answer, else how long to wait; raises `Problem`."""
        if response.is_success:
            return None
        self._left -= 1
        told_s = retry_after_s(response) or 0.0
        is_final = response.status_code not in RETRIED or told_s > LONGEST_RETRY_AFTER_S
        if is_final or not self._left:
            raise Problem(response)
        return told_s + self._next_pause_s()

    def _next_pause_s(self) -> float:
        pause_s = random.uniform(0, self._pause_s)  # noqa: S311 (so that callers don't keep step)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return pause_s


def retry_after_s(response: httpx.Response) -> float | None:
    """Return what `Retry-After` says in seconds, if it does."""
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else None
