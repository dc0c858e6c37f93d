"""Tokens of a stack's own, so that a laptop checks what a cluster checks."""

import secrets
import time
from typing import NamedTuple

import jwt

ISSUER, AUDIENCE = "orderflow up", "orderflow"
SENDER = "sources-of-orderflow-up"
SENDER_TOKEN_S = 10 * 365 * 86_400  # of a secret that ends with the stack


class Senders(NamedTuple):
    """What the functions that take events are told, and the token that sources send them."""

    settings: dict[str, str]
    token: str


def new_senders() -> Senders:
    """Return these for one run of a stack, made of a secret that nothing else knows."""
    secret = secrets.token_urlsafe(32)
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
