"""JSON Web Tokens (RFC 7519), checked as RFC 8725 advises: who signed, for whom, until when."""

import base64
import re
from collections.abc import Container
from typing import Any, NamedTuple

import jwt
import orjson
from pydantic import TypeAdapter, ValidationError

from orderflow.auth.caller import SCOPES, Caller
from orderflow.auth.keys import Keys
from orderflow.errors import Unauthorized
from orderflow.models import Subject

MAX_TOKEN_BYTES = 8 * 1024  # so that refusing one takes less than a millisecond
LEEWAY_S = 30.0  # between the issuer's clock and ours
SCOPE_CLAIMS = ("scope", "scp", "permissions")  # of most issuers; of Microsoft, Okta; of Auth0
CLAIMS = ["exp", "iss", "aud", "sub"]
# An access token, or one that does not say (RFC 9068, section 4; RFC 7519, section 5.1).
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_SUBJECT: TypeAdapter[str] = TypeAdapter(Subject)
_REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "the token has expired",
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.MissingRequiredClaimError: "the token needs the claims exp, iss, aud and sub",
}


class Verified(NamedTuple):
    """Whose token it is, and until when, in seconds of the epoch."""

    caller: Caller
    until_s: float


class TokenVerifier:
    """Takes the tokens of one issuer for one audience.

    With `subjects`, of no one else; a token that names no scopes has the `default_scopes`.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        subjects: Container[str] | None = None,
        default_scopes: frozenset[str] = frozenset(),
    ) -> None:
        self.keys = keys
        self._issuer, self._audience = issuer, audience
        self._subjects, self._default_scopes = subjects, default_scopes

    async def verify(self, token: str) -> Verified:
        """Return whose token it is; raises `Unauthorized` (401) or `KeysAway` (503)."""
        if len(token) > MAX_TOKEN_BYTES or not _COMPACT.fullmatch(token):
            raise Unauthorized(f"the token is no JWT of at most {MAX_TOKEN_BYTES} bytes")
        key = await self.keys.find(_header_of(token).get("kid"))
        if key is None:
            raise Unauthorized("the token is signed with an unknown key")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],  # the key's own: the token has no say in it
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": CLAIMS},
            )
            subject, until_s = _SUBJECT.validate_python(claims["sub"]), float(claims["exp"])
        except (jwt.PyJWTError, ValidationError, OverflowError) as error:
            raise Unauthorized(_reason(error)) from error
        if self._subjects is not None and subject not in self._subjects:
            raise Unauthorized("the token is of someone who is not expected here")
        caller = Caller(subject, scopes_of(claims, self._default_scopes))
        return Verified(caller, until_s + LEEWAY_S)


def _reason(error: Exception) -> str:
    told = (reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    return next(told, "the token is not valid")


def _header_of(token: str) -> dict[str, Any]:
    encoded = token.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError as error:
        raise Unauthorized("the token's header is not JSON") from error
    if not isinstance(header, dict) or "crit" in header:
        raise Unauthorized("the token's header asks for what is not understood here")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Unauthorized("the token is of another type than an access token")
    return header


def scopes_of(claims: dict[str, Any], default: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the scopes that mean something here, of the first claim that has some.

    A claim holds names with blanks between them, or a list of names. What a person may do
    (`permissions`) counts only where nothing says what of it this token is for (`scope`).
    """
    given = [claims[name] for name in SCOPE_CLAIMS if name in claims]
    for value in given:
        names = value.split() if isinstance(value, str) else value
        known = {n for n in names if isinstance(n, str)} if isinstance(names, list) else set()
        if found := SCOPES & known:
            return found
    return frozenset() if given else default
