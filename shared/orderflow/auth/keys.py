"""The keys that tokens are signed with: a secret, or an issuer's published set (RFC 7517)."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, get_args

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, ValidationError

from orderflow.auth.key_document import KeyDocumentAwayError, get_document
from orderflow.auth.rate_limit import Bucket
from orderflow.errors import KeysAway
from orderflow.logs import logger

REFRESH_AFTER_S = 300.0  # a key that its issuer withdraws is taken for so much longer
# For keys that we don't know: a rotation is seen at once, and who makes up key ids can't have us
# ask the issuer more often than every half minute.
FETCHES_AT_ONCE, FETCH_EVERY_S = 3, 30.0
MAX_KEYS = 100  # issuers have two or three
MIN_RSA_BITS = 2048  # RFC 7518, section 3.3
Algorithm = Literal["RS256", "ES256", "EdDSA"]


class Keys(Protocol):
    """Where the key of a token is found. `version` changes when a key may have gone."""

    version: int

    def refresh_if_due(self) -> None:
        """Begin to look for changes, if it is time to."""

    async def find(self, key_id: object) -> PyJWK | None:
        """Return the key of this id; raises `KeysAway` (503) if that can't be told."""


class SecretKey:
    """A secret shared with the issuer: HS256, whatever the key id."""

    version = 0

    def __init__(self, secret: bytes) -> None:
        encoded = base64.urlsafe_b64encode(secret).decode()
        self._key = PyJWK({"kty": "oct", "k": encoded}, "HS256")

    def refresh_if_due(self) -> None:
        """Do nothing: it stays."""

    async def find(self, _: object) -> PyJWK | None:
        """Return the one key."""
        return self._key


class PublishedKeys:
    """An issuer's public keys, fetched when first asked for, and again in the background.

    What is known stays known while the issuer is away. Times are seconds of a monotonic clock.
    """

    def __init__(
        self,
        url: str,
        *,
        get: Callable[[str], Awaitable[bytes]] = get_document,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version = 0
        self._url, self._get, self._clock = url, get, clock
        self._budget = Bucket(FETCHES_AT_ONCE, 1 / FETCH_EVERY_S)
        self._keys: dict[str, PyJWK] = {}
        self._document = b""
        self._failure = ""
        self._due_s = clock()
        self._fetching: asyncio.Task[None] | None = None

    def refresh_if_due(self) -> None:
        """Begin a fetch if the keys are old, and wait for nothing."""
        if self._clock() >= self._due_s:
            self._fetch()

    async def find(self, key_id: object) -> PyJWK | None:
        """Return a key; of an id that is new, once the fetch that all who ask share has ended."""
        name = key_id if isinstance(key_id, str) else ""
        if name not in self._keys and (self._fetching or self._budget.take(self._clock())):
            await asyncio.shield(self._fetch())
        if name not in self._keys and self._failure:
            raise KeysAway("the issuer's keys can't be read just now", retry_after_s=5)
        return self._keys.get(name)

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._due_s = self._clock() + REFRESH_AFTER_S
            self._fetching = asyncio.create_task(self._fetch_once())
        return self._fetching

    async def _fetch_once(self) -> None:
        try:
            document = await self._get(self._url)
            if document != self._document:
                self._keys, self._document = usable_keys(document), document
                self.version += 1
            self._failure = ""
        except KeyDocumentAwayError as error:
            self._failure = str(error)
            self._due_s = self._clock() + FETCH_EVERY_S
            logger().warning("no keys from the issuer", url=self._url, reason=self._failure)
        finally:
            self._fetching = None


def usable_keys(document: bytes) -> dict[str, PyJWK]:
    """Return the keys of a JWK set that may sign tokens, by id; raises `KeyDocumentAwayError`.

    Others are passed over, as RFC 7517 (section 5) asks: of an unknown type, too short, for
    encryption, secret, or without an id.
    """
    try:
        listed = orjson.loads(document)["keys"]
        if not isinstance(listed, list):
            raise TypeError("keys is no list")
    except (KeyError, TypeError, ValueError) as error:
        raise KeyDocumentAwayError(f"this is no JWK set: {error}") from error
    keys = [key for entry in listed[:MAX_KEYS] if (key := _usable(entry)) is not None]
    return {str(key.key_id): key for key in keys}


def _usable(entry: Any) -> PyJWK | None:
    try:
        _SigningKey.model_validate(entry)
        key = PyJWK(entry)
    except (ValidationError, PyJWTError, ValueError, TypeError, AttributeError):
        return None
    is_short = key.key_type == "RSA" and key.key.key_size < MIN_RSA_BITS
    return None if is_short or key.algorithm_name not in get_args(Algorithm) else key


class _SigningKey(BaseModel):
    kid: str
    kty: Literal["RSA", "EC", "OKP"]
    use: Literal["sig"] = "sig"
    alg: Algorithm | None = None
    d: None = None  # the secret part, which has no business here
