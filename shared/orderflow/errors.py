"""One error tree of two families: never again (4xx) and later (503).

`http.handler` turns them into answers. To Knative a 422 means the dead letter sink at once and a
503 another delivery (CloudEvents retry classes of its data plane).
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ConfigurationError(RuntimeError):
    """A setting is missing or wrong; the message is one line that says what to set."""


class MissingSetting(ConfigurationError):
    """Nothing says what it is."""


class OrderFlowError(Exception):
    """Base of what a caller is told, as an RFC 9457 problem.

    `slug` makes the stable problem type `/problems/<slug>`. A subclass has the status, slug and
    title of its base unless it names its own.
    """

    status = 500
    slug = "internal"
    title = "Internal error"
    headers: Mapping[str, str] = {}

    def __init_subclass__(cls, **problem: Any) -> None:
        for member, value in problem.items():
            setattr(cls, member, value)

    def __init__(self, detail: str, *, errors: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors

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


class Later(OrderFlowError, status=503, slug="unavailable", title="Unavailable for the moment"):
    """It may work when tried again; `retry_after_s` goes out as Retry-After, in seconds."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after_s)}


class MalformedBody(Never, status=400, slug="malformed-json", title="Malformed JSON"):
    """The body is not JSON."""


class Unauthorized(Never, status=401, slug="unauthorized", title="No valid token"):
    """There is no token, or none that is taken; `error` is a code of RFC 6750, section 3.1.

    The detail goes into a header: it quotes nothing that came from outside.
    """

    def __init__(self, detail: str, *, error: str | None = "invalid_token") -> None:
        super().__init__(detail)
        why = f', error="{error}", error_description="{detail}"' if error else ""
        self.headers = {"WWW-Authenticate": f'Bearer realm="orderflow"{why}'}


class Forbidden(Never, status=403, slug="forbidden", title="Not allowed"):
    """The caller is known and lacks a scope (RFC 6750, section 3.1)."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this needs the scope {scope}")
        challenge = f'Bearer realm="orderflow", error="insufficient_scope", scope="{scope}"'
        self.headers = {"WWW-Authenticate": challenge}


class BadRequest(Never, status=400, slug="bad-request", title="Bad request"):
    """The request is not HTTP as it is understood here."""


class MalformedPath(Never, status=400, slug="malformed-path", title="Malformed path"):
    """The path can be read in more than one way, or names what can't be."""


class NotFound(Never, status=404, slug="not-found", title="Not found"):
    """No such thing."""


class MethodNotAllowed(Never, status=405, slug="method-not-allowed", title="Method not allowed"):
    """The path exists, the method on it doesn't."""

    def __init__(self, allowed: Sequence[str], hint: str = "") -> None:
        super().__init__(f"use {' or '.join(allowed)}{hint}")
        self.headers = {"Allow": ", ".join(allowed)}


class Conflict(Never, status=409, slug="conflict", title="Conflict"):
    """The state of the thing forbids it."""


class BodyTooSlow(Never, status=408, slug="body-too-slow", title="Body too slow"):
    """The body did not arrive in time; the rest of it is not waited for."""

    headers: Mapping[str, str] = {"Connection": "close"}


class PreconditionFailed(
    Never, status=412, slug="precondition-failed", title="Precondition failed"
):
    """A condition of the request's headers does not hold."""


class BodyTooLarge(Never, status=413, slug="body-too-large", title="Body too large"):
    """The body is over the limit; the rest of it is not read."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers = {"Connection": "close"}


class NotJson(Never, status=415, slug="not-json", title="Content type is not JSON"):
    """The content type says that the body is not JSON."""


class InvalidInput(Never, status=422, slug="invalid-input", title="Invalid input"):
    """A field is wrong; `errors` names each, with what is wrong with it."""

    @classmethod
    def of(cls, faults: Sequence[tuple[str, str]]) -> "InvalidInput":
        """Return the error of these fields, each with its message; the detail has the first."""
        errors = [{"field": field, "message": message} for field, message in faults]
        return cls(": ".join(faults[0]), errors=errors)


class GivenUp(Never, status=422, slug="given-up", title="Given up"):
    """It failed too often; another try is not what it needs."""


class QueueFull(Later, slug="queue-full", title="Too many requests at once"):
    """More callers wait than one process will hold."""


class KeysAway(Later, slug="keys-away", title="Keys of the issuer away"):
    """The issuer does not say whether the key of a token is one of its own."""


class TooManyRequests(Later, status=429, slug="too-many-requests", title="Too many requests"):
    """One caller calls too often."""


class DatabaseAway(Later, slug="database-away", title="Database away"):
    """PostgreSQL does not answer, or refused for a passing reason."""
