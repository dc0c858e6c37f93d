"""GET /overview: how the whole does at this moment, on one page. Reads only."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from orderflow.http.handler import http, json_response
from orderflow.overview.exposition import business_families
from orderflow.overview.figures import Figures, read_database_size, read_figures, read_items
from orderflow.overview.kafka import current_lag
from orderflow.overview.kept import Kept
from orderflow.resources import worker


@http("GET", "HEAD", scope="operations", further=lambda: business_families(measured))
async def overview(_: Request) -> Response:
    """Answer with the figures, which all who ask within a second share."""
    return json_response(await read())


async def read() -> Figures:
    """Return all of them."""
    told, stock, lag = await asyncio.gather(figures.get(), items.get(), behind.get())
    waits = None if lag is None else [group._asdict() for group in lag]
    return {**told, "consumer_lag": waits, **stock}


async def measured() -> Figures:
    """Return them for Prometheus, with how large the database is."""
    told, size = await asyncio.gather(read(), bytes_on_disk.get())
    return {**told, "database_bytes": size}


# Apart, because each is kept as long as it is costly.
figures = Kept(lambda: worker().submit(read_figures))
items = Kept(lambda: worker().submit(read_items))
behind = Kept(current_lag)
bytes_on_disk = Kept(lambda: worker().submit(read_database_size))
