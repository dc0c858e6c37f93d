"""GET /console, /console/{file} and /: a page for who runs a shop, on the API that everyone has.

Serves the files beside it, read on first use, and says which tokens the page needs. It reads and
writes nothing else: it needs no database, and no token, because the page itself holds no data.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.config import ConsoleSettings, read
from orderflow.errors import NotFound
from orderflow.http.handler import http
from orderflow.http.path import segments_of

PAGE, TOLD = "index.html", "settings.json"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    """What is served under a name, and the tag that says whether a browser has it already."""

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """The ETag: of the content, so that all replicas agree."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


@http("GET", "HEAD", scope=None, needs_database=False)
async def console(request: Request) -> Response:
    """Answer with the page or a file of it; nothing but the headers if the caller has it."""
    match segments_of(request):
        case ("",):
            return RedirectResponse("/console", 307)
        case ("console",):
            found = files()[PAGE]
        case ("console", name) if name in files():
            found = files()[name]
        case _:
            raise NotFound("no such page; use /console")
    headers = {**safe_headers(), "ETag": found.tag}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(found.content, 200, headers, found.media_type)


@cache
def files() -> dict[str, File]:
    """Return the files beside this one, and the settings, by name."""
    found = {
        path.name: File(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in Path(__file__).parent.iterdir()
        if path.suffix in MEDIA_TYPES
    }
    return found | {TOLD: File(orjson.dumps(told().model_dump()), "application/json")}


@cache
def told() -> ConsoleSettings:
    """Return what the page is told; raises `ConfigurationError`."""
    return read(ConsoleSettings, "ORDERFLOW_")


@cache
def safe_headers() -> dict[str, str]:
    """Return headers that let the page load and call this place alone, and who issues tokens."""
    issuer = urlsplit(told().jwt_issuer)
    known = f" {issuer.scheme}://{issuer.netloc}" if told().console_client_id else ""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'{known}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Cache-Control": "no-cache",  # asked about each time, so that files are of one version
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",  # after a login its address has a code in it
        "X-Content-Type-Options": "nosniff",
    }
