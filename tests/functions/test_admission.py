"""A function told to bear little: who waits too long or sends too slowly hears of it."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from orderflow.database.connection import Connection
from orderflow.database.group_commit import Batch
from orderflow.http.request_body import BodyReader
from orderflow.resources import resources
from orderflow.server.admission import MAX_RETRY_AFTER_S, WaitEstimator
from tests.support.function_calls import client_of, make_order, module_of, place, reference


async def trickle(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that comes in parts, and then no more."""
    for part in parts:
        yield part
    await asyncio.sleep(60)


async def order(**overrides: object) -> httpx.Response:
    """Call create_order."""
    return await client_of("create_order").post("/order", json=make_order(**overrides))


async def test_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources(), "bodies", BodyReader(within_s=0.05))
    headers = {"content-type": "application/json", "content-length": "100"}

    response = await client_of("create_order").post(
        "/order", content=trickle(b'{"order_id"'), headers=headers
    )

    assert response.status_code == 408
    assert response.headers["connection"] == "close"
    assert response.json()["type"] == "/problems/body-too-slow"


async def test_large_bodies_that_together_are_too_many_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources(), "bodies", BodyReader(room_bytes=250))
    headers = {"content-type": "application/json", "content-length": "200"}
    slow = client_of("create_order").post("/order", content=trickle(b"{"), headers=headers)
    reading = asyncio.create_task(slow)
    await asyncio.sleep(0.1)

    refused = await order()
    reading.cancel()
    await asyncio.wait([reading])
    served = await order()

    assert (refused.status_code, served.status_code) == (503, 201)
    assert refused.json()["type"] == "/problems/queue-full"
    assert refused.headers["retry-after"] == "1"


async def test_while_the_database_hangs_newcomers_are_refused_at_once(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = module_of("create_order")
    batch = Batch(function.place_orders, wait=WaitEstimator(max_wait_s=0.3))
    monkeypatch.setattr(function, "place", batch)
    await place()
    with database.transaction():
        database.run("LOCK TABLE orders IN SHARE MODE")
        stuck = asyncio.create_task(order())
        await asyncio.sleep(0.5)

        started = time.monotonic()
        refused = await order()
        took_s = time.monotonic() - started

    assert refused.status_code == 503
    assert 1 <= int(refused.headers["retry-after"]) <= MAX_RETRY_AFTER_S
    assert took_s < 3.0
    assert (await stuck).status_code == 201
    assert (await order()).status_code == 201


async def test_who_waits_too_long_behind_others_is_told_and_has_no_order(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = module_of("create_order")
    monkeypatch.setattr(
        function, "place", Batch(function.place_orders, wait=WaitEstimator(give_up_s=0.2))
    )
    await place()
    order_id = reference()
    with database.transaction():
        database.run("LOCK TABLE orders IN SHARE MODE")
        first = asyncio.create_task(order())
        await asyncio.sleep(0.1)
        refused = await order(order_id=order_id)

    assert refused.status_code == 503
    assert "nothing was done" in refused.json()["detail"]
    assert (await first).status_code == 201
    found = database.run("SELECT count(*) FROM orders WHERE order_id = :id", id=order_id)
    assert found == [[0]]
