"""GET /overview: how the whole does at this moment, on one page. Reads only."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from orderflow.http.handler import http, json_response
from orderflow.overview.figures import read_figures, read_items
from orderflow.overview.kafka import current_lag
from orderflow.overview.kept import Kept
from orderflow.resources import worker


@http("GET", "HEAD", scope="operations")
async def overview(_: Request) -> Response:
    """Answer with the figures, which all who ask within a second share."""
    told, stock, lag = await asyncio.gather(figures.get(), items.get(), behind.get())
    waits = None if lag is None else [group._asdict() for group in lag]
    return json_response({**told, "consumer_lag": waits, **stock})


# Apart, because each is kept as long as it is costly.
figures = Kept(lambda: worker().submit(read_figures))
items = Kept(lambda: worker().submit(read_items))
behind = Kept(current_lag)
