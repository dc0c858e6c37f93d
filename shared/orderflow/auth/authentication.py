"""Who makes a request: by its bearer token (RFC 6750), or anyone on this machine."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request

from orderflow.auth.caller import ANONYMOUS, LOCAL, SCOPES, Caller
from orderflow.auth.loopback import local_caller, require_loopback
from orderflow.auth.rate_limit import RateLimiter
from orderflow.config import AuthSettings, RateSettings, TokenSettings, read
from orderflow.errors import BadRequest, ConfigurationError, MissingSetting, Unauthorized
from orderflow.logs import bind_log_fields, logger

if TYPE_CHECKING:
    from orderflow.auth.tokens import TokenVerifier, Verified

MAX_REMEMBERED = 10_000  # tokens, some 5 MB; beyond it the one not seen for longest is forgotten

Authentication = Callable[[Request], Awaitable[Caller]]
"""Returns who makes a request; raises `Unauthorized` (401), or a `Later` if that can't be told."""


def authentication(prefix: str, *, of_events: bool = False) -> Authentication:
    """Return what the settings of this prefix ask for; raises `ConfigurationError`.

    Events may be left to the network, and come as fast as they are answered.
    """
    choice = read(AuthSettings, prefix).auth
    if choice == "off":
        require_loopback(f"{prefix}AUTH=off")
        logger().warning(f"{prefix}AUTH=off: whoever is on this machine may do everything")
        return local_caller
    if choice == "network":
        if not of_events:
            raise ConfigurationError(f"{prefix}AUTH=network is for functions that take events")
        return any_caller
    per_s = 0 if of_events else read(RateSettings, prefix).rate_per_s
    return BearerTokens(token_verifier(prefix), RateLimiter(per_s) if per_s else None)


def token_verifier(prefix: str) -> "TokenVerifier":
    """Return the verifier that the settings of this prefix describe."""
    # Not before it is needed: PyJWT's cryptography is a tenth of a cold start.
    from orderflow.auth.keys import Keys, PublishedKeys, SecretKey  # noqa: PLC0415
    from orderflow.auth.tokens import TokenVerifier  # noqa: PLC0415

    try:
        told = read(TokenSettings, prefix)
    except MissingSetting as error:
        needed = f"{prefix}JWT_ISSUER, {prefix}JWT_AUDIENCE and {prefix}JWT_JWKS_URL"
        laptop = f"on a laptop {prefix}AUTH=off and HOST=127.0.0.1"
        raise ConfigurationError(f"whose tokens count? set {needed}, or {laptop}") from error
    secret = told.jwt_secret.get_secret_value().encode()
    if bool(told.jwt_jwks_url) == bool(secret):
        raise ConfigurationError(f"set one of {prefix}JWT_JWKS_URL and {prefix}JWT_SECRET")
    default_scopes = frozenset(told.jwt_default_scopes.split())
    if unknown := sorted(default_scopes - SCOPES):
        raise ConfigurationError(f"{prefix}JWT_DEFAULT_SCOPES: no such scope: {unknown[0]}")
    keys: Keys = SecretKey(secret) if secret else PublishedKeys(told.jwt_jwks_url)
    return TokenVerifier(
        keys,
        issuer=told.jwt_issuer,
        audience=told.jwt_audience,
        subjects=told.jwt_subjects.split() or None,
        default_scopes=default_scopes,
    )


class BearerTokens:
    """Takes bearer tokens, and remembers each one that it has verified until it expires."""

    def __init__(
        self,
        verifier: "TokenVerifier",
        limiter: RateLimiter | None = None,
        *,
        max_remembered: int = MAX_REMEMBERED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._verifier, self._limiter = verifier, limiter
        self._max_remembered, self._clock = max_remembered, clock
        # By digest, so that no token lies in memory. Only those that are good: who sends bad ones
        # pays with a signature check each time, and can't make others be forgotten.
        self._remembered: OrderedDict[bytes, Verified] = OrderedDict()
        self._keys_version = verifier.keys.version

    async def __call__(self, request: Request) -> Caller:
        """Return whose token the request has."""
        token = bearer_token(request)
        digest = hashlib.sha256(token.encode()).digest()
        self._verifier.keys.refresh_if_due()
        self._forget_if_keys_changed()
        known = self._remembered.get(digest)
        if known is None or known.until_s <= self._clock():
            self._remembered.pop(digest, None)
            known = await self._verifier.verify(token)
            self._forget_if_keys_changed()
            self._remembered[digest] = known
            if len(self._remembered) > self._max_remembered:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(digest)
        bind_log_fields(caller=known.caller.subject)
        if self._limiter is not None:
            self._limiter.admit(known.caller.subject, time.monotonic())
        return known.caller

    def _forget_if_keys_changed(self) -> None:
        if self._keys_version != self._verifier.keys.version:
            self._keys_version = self._verifier.keys.version
            self._remembered.clear()


def bearer_token(request: Request) -> str:
    """Return the request's bearer token; raises `Unauthorized` (401) or `BadRequest` (400).

    The latter where there are several, of which two readers would take one each (RFC 6750, section
    3.1).
    """
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise BadRequest("send one header Authorization")
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthorized("send a header Authorization: Bearer TOKEN", error=None)
    return token.strip(" ")


async def anonymous(_: Request) -> Caller:
    """Take every caller for nobody."""
    return ANONYMOUS


async def any_caller(_: Request) -> Caller:
    """Take every caller for this machine: the network lets no other through."""
    return LOCAL
