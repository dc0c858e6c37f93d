"""POST /order/{order_id}/retry: another start for an order that announcements have not moved."""

import asyncio
from typing import Any

import httpx
import pytest

from orderflow.database.connection import Connection
from tests.support.function_calls import (
    client_of,
    database_away,
    ordered,
    place,
    process,
    records_of,
    reference,
    status_of,
    tick,
    unpublished,
    using,
)
from tests.support.waiting import eventually_async

JSON = {"content-type": "application/json"}


async def retry(order_id: str, content: bytes = b"{}", **headers: str) -> httpx.Response:
    path = f"/order/{order_id}/retry"
    return await client_of("redrive").post(path, content=content, headers=JSON | headers)


async def given_up(database: Connection) -> str:
    """A pending order that is announced no more, and whose event Kafka has."""
    order_id = await place()
    await eventually_async(lambda: unpublished(database, order_id) == [])
    sql = """UPDATE orders SET due_at = 'infinity', announcements = 200, attention = 'look'
      WHERE order_id = :id"""
    database.run(sql, id=order_id)
    return order_id


def waiting_of(database: Connection, order_id: str) -> list[Any]:
    sql = "SELECT announcements, due_at <= now(), attention FROM orders WHERE order_id = :id"
    (row,) = database.run(sql, id=order_id)
    return row


@pytest.mark.parametrize("content", [b"", b"{}"], ids=["no body", "an empty one"])
async def test_a_pending_order_is_announced_by_the_next_tick(
    database: Connection, content: bytes
) -> None:
    order_id = await given_up(database)

    response = await retry(order_id, content)

    assert response.status_code == 202
    told = {"message": "Order will be announced within 10 s", "order_id": order_id}
    assert response.json() == told
    assert waiting_of(database, order_id) == [1, True, None]
    await tick()
    assert len(records_of("orders", order_id, 2, distinct=False)) == 2
    assert (await process(order_id)).status_code == 204
    assert status_of(database, order_id) == "backordered"


async def test_a_repeat_is_answered_alike_and_announces_no_more_than_the_first(
    database: Connection,
) -> None:
    order_id = await given_up(database)

    responses = await asyncio.gather(*(retry(order_id) for _ in range(10)))
    await tick()
    await tick()

    assert {response.status_code for response in responses} == {202}
    assert waiting_of(database, order_id)[0] == 2
    with pytest.raises(AssertionError, match="has 2 of 3"):
        records_of("orders", order_id, 3, distinct=False)


async def test_an_order_that_is_decided_says_what_it_is(database: Connection) -> None:
    order_id = await ordered()

    response = await retry(order_id)

    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")
    assert response.json()["detail"] == (
        f"order {order_id} is confirmed; only what is pending is announced again"
    )
    assert waiting_of(database, order_id)[0] == 1


async def test_an_unknown_order_is_not_found() -> None:
    assert (await retry(reference())).status_code == 404


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"status": "pending"}', {}, 422),
        (b"[]", {}, 422),
        (b"{", {}, 400),
        (b"", {"content-type": "text/plain"}, 415),
        (b"", {"if-match": '"1"'}, 412),
    ],
)
async def test_another_body_is_refused_and_nothing_is_done(
    database: Connection, content: bytes, headers: dict[str, str], status: int
) -> None:
    order_id = await given_up(database)

    response = await retry(order_id, content, **headers)

    assert response.status_code == status
    assert waiting_of(database, order_id) == [200, False, "look"]


@pytest.mark.parametrize("path", ["/order/", "/order//retry", "/order/x/y", "/order/x/retry/y"])
async def test_another_path_is_not_found(path: str) -> None:
    response = await client_of("redrive").post(path, json={})

    assert response.status_code in (404, 405)
    assert "retry" in response.json()["detail"] or path == "/order/"


@pytest.mark.parametrize(
    ("function", "method", "path", "allow"),
    [
        ("redrive", "POST", "/order/x", "GET, HEAD, PATCH"),
        ("list_orders", "GET", "/order/x/retry", "POST"),
        ("update_order", "PATCH", "/order/x/retry", "POST"),
    ],
)
async def test_a_path_says_which_methods_it_takes(
    function: str, method: str, path: str, allow: str
) -> None:
    response = await client_of(function).request(method, path, json={})

    assert (response.status_code, response.headers["allow"]) == (405, allow)


async def test_while_the_database_is_away_nothing_is_promised() -> None:
    with using(worker=database_away()):
        response = await retry(reference())

    assert (response.status_code, "retry-after" in response.headers) == (503, True)
