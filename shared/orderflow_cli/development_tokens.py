"""Tokens of a stack's own, so that a laptop checks what a cluster checks.

The sources' token is made of a secret that lasts as long as the stack. What callers show is signed
with keys that are kept in the data directory; their public parts are a document that a Service of
the stack's own serves, so that functions get them as they would from any issuer.
"""

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

from orderflow.auth.caller import SCOPES
from orderflow.config import ConsoleSettings, TokenSettings, read
from orderflow.errors import ConfigurationError, MissingSetting
from orderflow.ids import uuid7

ISSUER, AUDIENCE = "orderflow-up", "orderflow"
SENDER = "sources-of-orderflow-up"
SENDER_TOKEN_S = 10 * 365 * 86_400  # of a secret that ends with the stack
KEY_SET_PATH = "/.well-known/jwks.json"
FUNCTION = Path(__file__).with_name("issuer.py")
KEPT_KEYS = 2  # published: the one that signs, and the one before it, whose tokens are still about
MANIFEST = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: issuer, namespace: orderflow}}
spec:
  template:
    spec:
      containers:
        - image: orderflow
          args: [--asgi, --target, issuer, --source, {source}]
          env:
            - {{name: ORDERFLOW_KEY_SET, value: {key_set}}}
          readinessProbe: {{httpGet: {{path: /healthz}}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: issuer, namespace: orderflow}}
spec:
  rules:
    - matches:
        - path: {{type: Exact, value: {path}}}
          method: GET
      backendRefs: [{{name: issuer, port: 80}}]
"""


class Senders(NamedTuple):
    """What the functions that take events are told, and the token that sources send them."""

    settings: dict[str, str]
    token: str


def new_senders(secret: str | None = None) -> Senders:
    """Return these made of a secret, or, for one run of a stack, of one that nothing else knows."""
    secret = secret or secrets.token_urlsafe(32)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": SENDER, "exp": time.time() + SENDER_TOKEN_S}
    settings = {
        "ORDERFLOW_EVENTS_AUTH": "jwt",
        "ORDERFLOW_EVENTS_JWT_ISSUER": ISSUER,
        "ORDERFLOW_EVENTS_JWT_AUDIENCE": AUDIENCE,
        "ORDERFLOW_EVENTS_JWT_JWKS_URL": "",
        "ORDERFLOW_EVENTS_JWT_SECRET": secret,
        "ORDERFLOW_EVENTS_JWT_SUBJECTS": SENDER,
    }
    return Senders(settings, jwt.encode(claims, secret, "HS256"))


class DevelopmentIssuer:
    """Makes tokens for callers. Its files are for their owner alone."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "issuer"
        self._key_set = self._folder / "jwks.json"

    def open(self) -> Path:
        """Make a first key if there is none; return the manifest that serves the public ones."""
        if not self._keys():
            self.new_key()
        manifest = self._folder / "issuer.yaml"
        served = {"source": str(FUNCTION), "key_set": str(self._key_set)}
        quoted = {name: orjson.dumps(value).decode() for name, value in served.items()}
        _write(manifest, MANIFEST.format(path=KEY_SET_PATH, **quoted).encode())
        return manifest

    def settings(self, gateway: str) -> dict[str, str]:
        """Return what functions are told that take these tokens."""
        return {
            "ORDERFLOW_AUTH": "jwt",
            "ORDERFLOW_JWT_ISSUER": ISSUER,
            "ORDERFLOW_JWT_AUDIENCE": AUDIENCE,
            "ORDERFLOW_JWT_JWKS_URL": gateway + KEY_SET_PATH,
            "ORDERFLOW_JWT_SUBJECTS": "",
            "ORDERFLOW_JWT_DEFAULT_SCOPES": "",
        }

    def new_key(self) -> None:
        """Sign with a new key from now on, and publish it beside the one before."""
        key = Ed25519PrivateKey.generate()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(self._folder / f"{uuid7()}.pem", pem)
        for path in self._keys()[:-KEPT_KEYS]:
            path.unlink()
        public = [{**_public(path), "kid": path.stem} for path in self._keys()]
        _write(self._key_set, orjson.dumps({"keys": public}))

    def token(self, subject: str, scopes: Iterable[str], *, expires_in_s: int) -> str:
        """Return a token; raises `ConfigurationError`."""
        if not self._keys():
            start = "start it once with `orderflow up --auth`, or give --data"
            raise ConfigurationError(f"the stack in {self._folder.parent} has no keys: {start}")
        path = self._keys()[-1]
        claims = _claims(ISSUER, AUDIENCE, subject, scopes, expires_in_s)
        return jwt.encode(claims, path.read_bytes(), "EdDSA", headers={"kid": path.stem})

    def _keys(self) -> list[Path]:
        return sorted(self._folder.glob("*.pem"))  # their names begin with their time


def issuer_in_use() -> dict[str, str] | None:
    """Return what functions are told, if the environment says whose published keys count."""
    try:
        told = read(TokenSettings, "ORDERFLOW_")
    except MissingSetting:
        return None
    if not told.jwt_jwks_url:
        return None
    return {
        "ORDERFLOW_AUTH": "jwt",
        "ORDERFLOW_JWT_ISSUER": told.jwt_issuer,
        "ORDERFLOW_JWT_AUDIENCE": told.jwt_audience,
        "ORDERFLOW_JWT_JWKS_URL": told.jwt_jwks_url,
        "ORDERFLOW_JWT_SUBJECTS": told.jwt_subjects,
        "ORDERFLOW_JWT_DEFAULT_SCOPES": told.jwt_default_scopes,
        "ORDERFLOW_CONSOLE_CLIENT_ID": read(ConsoleSettings, "ORDERFLOW_").console_client_id,
    }


def shared_secret() -> TokenSettings | None:
    """Return whose tokens functions take, if the environment says so and holds their secret."""
    try:
        told = read(TokenSettings, "ORDERFLOW_")
    except MissingSetting:
        return None
    return told if told.jwt_secret.get_secret_value() else None


def shared_secret_token(
    issuer: TokenSettings, subject: str, scopes: Iterable[str], *, expires_in_s: int
) -> str:
    """Return a token signed with the secret that functions share; raises `ConfigurationError`."""
    claims = _claims(issuer.jwt_issuer, issuer.jwt_audience, subject, scopes, expires_in_s)
    return jwt.encode(claims, issuer.jwt_secret.get_secret_value(), "HS256")


def _claims(
    issuer: str, audience: str, subject: str, scopes: Iterable[str], expires_in_s: int
) -> dict[str, str | int]:
    if unknown := sorted(set(scopes) - SCOPES):
        known = ", ".join(sorted(SCOPES))
        raise ConfigurationError(f"there is no scope {unknown[0]}; there are {known}")
    now = int(time.time())
    claims: dict[str, str | int] = {"iss": issuer, "aud": audience, "sub": subject}
    return claims | {"scope": " ".join(scopes), "iat": now, "exp": now + expires_in_s}


def _public(path: Path) -> dict[str, str]:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return dict(OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)) | {"use": "sig"}


def _write(path: Path, content: bytes) -> None:
    # Beside it first, so that nobody reads half of it; never through a link of someone else's.
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(unfinished, flags, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
