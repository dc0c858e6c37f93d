"""GET /docs, /openapi.json and /problems/{type}: the contract, for people and for programs.

Made from the models on first use. Reads and writes nothing: it needs no database and no token.
"""

from functools import cache

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contract.openapi import openapi
from orderflow.contract.pages import POLICY, documentation, problem_page
from orderflow.contract.problems import problem_types
from orderflow.errors import NotFound
from orderflow.http.handler import http
from orderflow.http.path import segments_of

HEADERS = {
    "Cache-Control": "public, max-age=300",  # seconds: a new version is seen soon
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@http("GET", "HEAD", scope=None, needs_database=False)
async def api_docs(request: Request) -> Response:
    """Answer with the contract, a page of it, or that of a type of problem."""
    path = segments_of(request)
    if path == ("openapi.json",):
        return Response(contract(), 200, HEADERS, "application/json")
    found = pages().get(path)
    if found is None:
        raise NotFound("no such page; /docs has what there is")
    return Response(found, 200, HEADERS, "text/html")


@cache
def contract() -> bytes:
    """Return the document as JSON."""
    return orjson.dumps(openapi(), option=orjson.OPT_INDENT_2)


@cache
def pages() -> dict[tuple[str, ...], str]:
    """Return each page by its path."""
    found: dict[tuple[str, ...], str] = {("docs",): documentation(openapi())}
    return found | {("problems", row.slug): problem_page(row) for row in problem_types()}
