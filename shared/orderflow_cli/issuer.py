"""GET /.well-known/jwks.json: the public keys of the issuer of `orderflow up --auth`."""

from pathlib import Path

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from orderflow.config import read
from orderflow.http.handler import http


class IssuerSettings(BaseModel, frozen=True):
    """Where the keys are."""

    orderflow_key_set: Path


@http("GET", "HEAD", scope=None)
async def issuer(_: Request) -> Response:
    """Answer with the key set as it is now."""
    document = read(IssuerSettings).orderflow_key_set.read_bytes()
    return Response(document, media_type="application/jwk-set+json")
