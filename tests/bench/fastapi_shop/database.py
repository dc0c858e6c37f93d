"""Its pool of connections."""

import os
from urllib.parse import unquote, urlsplit

import asyncpg

CONNECTIONS = 16


async def open_pool() -> asyncpg.Pool:
    """Connect to the server of `DATABASE_URL`, over its Unix socket."""
    where = urlsplit(os.environ["DATABASE_URL"])
    folder = unquote(where.netloc.rpartition("@")[2])
    return await asyncpg.create_pool(
        host=folder,
        user=where.username,
        database=where.path[1:],
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
    )
