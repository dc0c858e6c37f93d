"""An issuer that signs people in by OpenID Connect, as a console's page needs one: on loopback."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.issuer import AUDIENCE, key_set, make_token, public_jwk

CLIENT_ID = "orderflow-console"
REQUIRED = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}


@dataclass
class LoginIssuer:
    """What it gives, and what it was asked for."""

    url: str = ""
    subject: str = "alice"
    scopes: str = "orders:read orders:write inventory:read inventory:write operations orders:all"
    lifetime_s: int = 600
    redirect_uri: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    renewed: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """What a stack is told that takes its tokens."""
        return {
            "ORDERFLOW_JWT_ISSUER": self.url,
            "ORDERFLOW_JWT_AUDIENCE": AUDIENCE,
            "ORDERFLOW_JWT_JWKS_URL": f"{self.url}/keys",
            "ORDERFLOW_CONSOLE_CLIENT_ID": CLIENT_ID,
        }

    def token(self, scopes: str | None = None, **claims: Any) -> str:
        """An access token."""
        told = {"iss": self.url, "sub": self.subject, "scope": scopes or self.scopes} | claims
        return make_token(**told)

    def discovery(self) -> dict[str, str]:
        """The document that says where everything is."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """The page on which a person agrees or refuses."""
        self.asked.append(asked)
        wrong = [name for name, value in REQUIRED.items() if asked.get(name) != value]
        if wrong or asked["redirect_uri"] != self.redirect_uri:
            return f"<p>refused: {wrong or 'redirect_uri'}</p>"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = asked["redirect_uri"]
        agreed = f"{back}?{urlencode({'code': code, 'state': asked['state']})}"
        no = {"error": "access_denied", "error_description": "alice said no"}
        refused = f"{back}?{urlencode({**no, 'state': asked['state']})}"
        agree, refuse = agreed.replace("&", "&amp;"), refused.replace("&", "&amp;")
        return f'<a href="{agree}">Agree</a> <a href="{refuse}">Refuse</a>'

    def tokens(self, asked: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """What a code or a refresh token is exchanged for; a code counts once."""
        if asked.get("grant_type") == "refresh_token":
            self.renewed += 1
            return 200, {"access_token": self.token(), "token_type": "Bearer"}
        told = self.codes.pop(asked.get("code", ""), None)
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if told is None or challenge != told["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "no such code"}
        expires_at = int(time.time()) + self.lifetime_s
        return 200, {
            "access_token": self.token(exp=expires_at),
            "refresh_token": secrets.token_urlsafe(16),
            "id_token": make_token(
                iss=self.url, aud=CLIENT_ID, sub=self.subject, nonce=told["nonce"]
            ),
            "token_type": "Bearer",
        }


@contextmanager
def login_issuer() -> Iterator[LoginIssuer]:
    """Serve an issuer during the block."""
    issuer = LoginIssuer()

    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = 5.0

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            match parts.path:
                case "/.well-known/openid-configuration":
                    self.answer(200, json.dumps(issuer.discovery()).encode())
                case "/keys":
                    self.answer(200, key_set(public_jwk("EdDSA", "one")))
                case "/authorize":
                    self.answer(200, issuer.authorize(asked).encode(), "text/html")
                case _:
                    self.answer(204, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = issuer.tokens(asked)
            self.answer(status, json.dumps(answer).encode())

        def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
