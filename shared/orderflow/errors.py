"""One error tree of two families: never again (4xx) and later (503).

`web` and `trigger` turn them into answers. To Knative a 422 means the dead letter sink at once
and a 503 another delivery (CloudEvents retry classes of its data plane).
"""

from collections.abc import Sequence
from typing import Any


class ConfigurationError(RuntimeError):
    """A setting is missing or wrong; the message is one line that says what to set."""


class MissingSetting(ConfigurationError):
    """A setting has no value."""


class OrderFlowError(Exception):
    """Base of what a caller is told, as an RFC 9457 problem.

    `slug` makes the stable problem type `/problems/<slug>`.
    """

    status = 500
    slug = "internal"
    title = "Internal error"

    def __init__(self, detail: str, *, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers: dict[str, str] = {}

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 members: type, title, status, detail and, for bad input, errors."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return {**body, "errors": list(self.errors)} if self.errors else body


class Never(OrderFlowError):
    """It can't work, however often it is tried."""


class Later(OrderFlowError):
    """It may work when tried again; `retry_after_s` goes out as Retry-After, in seconds."""

    status = 503
    slug = "unavailable"
    title = "Unavailable for the moment"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after_s)}


class MalformedBody(Never):
    """The body is not JSON."""

    status = 400
    slug = "malformed-json"
    title = "Malformed JSON"


class NotFound(Never):
    """No such thing."""

    status = 404
    slug = "not-found"
    title = "Not found"


class MethodNotAllowed(Never):
    """The path exists, the method on it doesn't."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"use {' or '.join(allowed)}")
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(Never):
    """The state of the thing forbids it."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class BodyTooSlow(Never):
    """The body did not arrive in time; the rest of it is not waited for."""

    status = 408
    slug = "body-too-slow"
    title = "Body too slow"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"Connection": "close"}


class BodyTooLarge(Never):
    """The body is over the limit."""

    status = 413
    slug = "body-too-large"
    title = "Body too large"


class NotJson(Never):
    """The content type says that the body is not JSON."""

    status = 415
    slug = "not-json"
    title = "Content type is not JSON"


class InvalidInput(Never):
    """A field is wrong; `errors` names each, with what is wrong with it."""

    status = 422
    slug = "invalid-input"
    title = "Invalid input"


class GivenUp(Never):
    """It failed too often; another try is not what it needs."""

    status = 422
    slug = "given-up"
    title = "Given up"


class QueueFull(Later):
    """More callers wait than one process will hold."""

    slug = "queue-full"
    title = "Too many requests at once"


class DatabaseAway(Later):
    """PostgreSQL does not answer, or refused for a passing reason."""

    slug = "database-away"
    title = "Database away"
