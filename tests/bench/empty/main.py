"""A function that does nothing but count: what the framework alone can serve."""

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

calls = [0]


@functions_framework.aio.http
async def empty(request: Request) -> Response:
    """Read the body; answer how many came before, and a POST as if it had made something."""
    await request.body()
    if request.method == "POST":
        calls[0] += 1
    return Response(str(calls[0]), 201)
