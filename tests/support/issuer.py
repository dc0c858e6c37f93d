"""An issuer of tokens: keys, tokens signed with them, and a server that publishes the keys."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jwt.algorithms import get_default_algorithms

ISSUER, AUDIENCE = "https://issuer.example/", "orderflow"
SECRET = "a secret of at least thirty-two bytes"


@cache
def private_key(algorithm: str, key_id: str = "") -> Any:
    """Return a key of this kind, the same for the same id."""
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(algorithm)


def public_jwk(algorithm: str, key_id: str, **members: Any) -> dict[str, Any]:
    """Return a key as an issuer publishes it."""
    public = private_key(algorithm, key_id).public_key()
    jwk: Any = get_default_algorithms()[algorithm].to_jwk(public, as_dict=True)
    return {**jwk, "kid": key_id, "alg": algorithm, "use": "sig", **members}


def make_claims(**overrides: Any) -> dict[str, Any]:
    """Return claims that are taken; `...` leaves one out."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 600, "iat": now}
    claims |= {"scope": "orders:read orders:write"} | overrides
    return {name: value for name, value in claims.items() if value is not ...}


def make_token(
    algorithm: str = "EdDSA",
    key_id: str = "one",
    *,
    key: Any = None,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    """Return a signed token."""
    signer = private_key(algorithm, key_id) if key is None else key
    headers = {"kid": key_id, **(header or {})}
    # Not jwt.encode, which refuses to sign some claims that should not be.
    content = json.dumps(make_claims(**claims)).encode()
    return jwt.PyJWS().encode(content, signer, algorithm, headers)


def key_set(*keys: dict[str, Any]) -> bytes:
    """Return the document that publishes these keys."""
    return json.dumps({"keys": keys}).encode()


@dataclass
class KeyServer:
    """What is published, how it is answered, and how often it was asked for."""

    url: str = ""
    document: bytes = field(default_factory=lambda: key_set(public_jwk("EdDSA", "one")))
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    asked: int = 0
    shown: str = ""


def make_certificate(file: Path) -> Path:
    """Write a certificate for localhost, signed by itself, and its key; return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(signed.public_bytes(Encoding.PEM) + pem)
    return file


@contextmanager
def key_server(certificate: Path | None = None) -> Iterator[KeyServer]:
    """Serve keys over HTTP during the block, or over HTTPS by a file of certificate and key."""
    published = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = 5.0

        def do_GET(self) -> None:
            published.asked += 1
            published.shown = self.headers.get("Authorization", "")
            time.sleep(published.delay_s)
            self.send_response(published.status)
            for name, value in published.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(published.document)))
            self.end_headers()
            with suppress(OSError):  # who asked has heard enough
                self.wfile.write(published.document)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
    published.url = f"{scheme}://{host}:{server.server_port}/keys"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield published
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
