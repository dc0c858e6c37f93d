"""One key, one effect: every write with an `Idempotency-Key`, and no condition is passed over."""

import asyncio
from typing import Any

import httpx
import pytest

from orderflow.database.connection import Connection
from tests.support.dead_letters import keep_many
from tests.support.function_calls import (
    client_of,
    forget,
    history_of,
    make_order,
    ordered,
    reference,
    restock,
    shelf_of,
    status_of,
)

FUNCTIONS = {
    "/order": "create_order",
    "/inventory": "update_inventory",
    "/dead-letters/redrive": "redrive",
    "/dead-letters/discard": "redrive",
}


async def write(
    path: str, body: dict[str, Any], method: str = "POST", **headers: str
) -> httpx.Response:
    """Make a write; underscores in the names of headers become dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client = client_of(FUNCTIONS.get(path, "update_order"))
    return await client.request(method, path, json=body, headers=named)


def changes_of(database: Connection, item: str) -> list[Any]:
    sql = "SELECT adjust FROM inventory_changes WHERE item = :item"
    return [adjust for (adjust,) in database.run(sql, item=item)]


def assert_replayed(first: httpx.Response, again: httpx.Response) -> None:
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == first.json()


def assert_speaks_of_the_key(answer: httpx.Response) -> None:
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert "key was used for another request" in answer.json()["detail"]


async def test_an_adjustment_under_one_key_is_recorded_once(database: Connection) -> None:
    item, key = reference("item"), reference("key")
    body = {"item": item, "adjust": 3}

    first, again = [await write("/inventory", body, idempotency_key=key) for _ in range(2)]
    other = await write("/inventory", body | {"adjust": 4}, idempotency_key=key)
    named = await write("/inventory", body | {"change_id": reference()}, idempotency_key=key)

    assert first.status_code == again.status_code == 202
    assert_replayed(first, again)
    assert_speaks_of_the_key(other)
    assert_speaks_of_the_key(named)
    assert changes_of(database, item) == [3]


async def test_an_order_under_the_key_of_another_is_told_of_the_key() -> None:
    key = reference("key")
    await write("/order", make_order(), idempotency_key=key)

    assert_speaks_of_the_key(await write("/order", make_order(), idempotency_key=key))


async def test_a_cancellation_under_one_key_is_answered_the_same_twice(
    database: Connection,
) -> None:
    order_id, other, key = await ordered(), await ordered(), reference("key")
    path, body = f"/order/{order_id}", {"status": "cancelled"}

    first, again = [await write(path, body, "PATCH", idempotency_key=key) for _ in range(2)]
    ship = await write(path, {"status": "shipped"}, "PATCH", idempotency_key=key)
    elsewhere = await write(f"/order/{other}", body, "PATCH", idempotency_key=key)

    assert first.status_code == again.status_code == 200
    assert_replayed(first, again)
    assert_speaks_of_the_key(ship)
    assert_speaks_of_the_key(elsewhere)
    assert status_of(database, other) == "confirmed"
    assert history_of(database, order_id) == ["pending", "confirmed", "cancelled"]


async def test_a_change_that_was_refused_leaves_its_key_unused(database: Connection) -> None:
    order_id, key = await ordered("backordered"), reference("key")
    path, item_of = f"/order/{order_id}", "SELECT item FROM backorders JOIN orders USING (position)"
    ship = {"status": "shipped"}
    ((item,),) = database.run(f"{item_of} WHERE order_id = :id", id=order_id)
    refused = await write(path, ship, "PATCH", idempotency_key=key)
    await restock(item, 1)

    shipped = await write(path, ship, "PATCH", idempotency_key=key)

    assert (refused.status_code, shipped.status_code) == (409, 200)
    assert status_of(database, order_id) == "shipped"


@pytest.mark.parametrize("action", ["redrive", "discard"])
async def test_a_redrive_under_one_key_is_recorded_once(database: Connection, action: str) -> None:
    of_type, _ = keep_many(database, 3)
    path, key = f"/dead-letters/{action}", reference("key")
    body = {"filter": {"type": of_type}, "by": "Ada"}

    first, again = [await write(path, body, idempotency_key=key) for _ in range(2)]
    other = await write(path, body | {"by": "Grace"}, idempotency_key=key)

    assert first.status_code == again.status_code
    assert_replayed(first, again)
    assert first.json()["matched"] == 3
    assert_speaks_of_the_key(other)
    sql = "SELECT count(*) FROM redriven_letters JOIN dead_letters ON letter = position"
    assert database.run(f"{sql} WHERE type = :type", type=of_type) == [[3]]


async def test_equal_calls_at_one_instant_have_one_effect(database: Connection) -> None:
    item, order_id = reference("item"), await ordered()
    of_type, _ = keep_many(database, 2)
    asked = {"filter": {"type": of_type}, "by": "Ada"}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("/inventory", {"item": item, "adjust": 3}, "POST"),
        (f"/order/{order_id}", {"status": "shipped"}, "PATCH"),
        ("/dead-letters/redrive", asked, "POST"),
    ]

    for path, body, method in calls:
        key = reference("key")
        answers = await asyncio.gather(
            *(write(path, body, method, idempotency_key=key) for _ in range(20))
        )
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
        assert len({answer.text.replace("queued for", "sent to") for answer in answers}) == 1

    assert changes_of(database, item) == [3]
    assert history_of(database, order_id) == ["pending", "confirmed", "shipped"]
    sql = "SELECT matched FROM redrives WHERE selection -> 'filter' ->> 'type' = :type"
    assert database.run(sql, type=of_type) == [[2]]


async def test_first_answers_are_forgotten_after_a_week(database: Connection) -> None:
    old, new = reference("key"), reference("key")
    for key in (old, new):
        path = f"/order/{await ordered()}"
        await write(path, {"status": "shipped"}, "PATCH", idempotency_key=key)
    sql = "UPDATE first_answers SET answered_at = now() - interval '8 days'"
    database.run(f"{sql} WHERE idempotency_key = :key", key=old)

    await forget()

    sql = "SELECT idempotency_key FROM first_answers WHERE idempotency_key IN (:old, :new)"
    assert database.run(sql, old=old, new=new) == [[new]]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused_by_every_write(key: str) -> None:
    order_id = await ordered()
    answers = [
        await write("/inventory", {"item": "a", "adjust": 1}, idempotency_key=key),
        await write(f"/order/{order_id}", {"status": "shipped"}, "PATCH", idempotency_key=key),
        await write("/dead-letters/redrive", {"all": True, "by": "Ada"}, idempotency_key=key),
    ]

    assert {answer.status_code for answer in answers} == {422}
    fields = {answer.json()["errors"][0]["field"] for answer in answers}
    assert fields == {"Idempotency-Key"}


@pytest.mark.parametrize(
    "condition",
    [
        {"If-Match": '"1"'},
        {"If-Match": "*"},
        {"If-None-Match": "*"},
        {"If-Unmodified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"},
    ],
)
async def test_a_condition_that_is_not_kept_is_refused_and_nothing_happens(
    database: Connection, condition: dict[str, str]
) -> None:
    item = reference("item")
    order_id = await ordered(item=item)
    answers = [
        await write("/order", make_order(), **condition),
        await write("/inventory", {"item": item, "adjust": 1}, **condition),
        await write(f"/order/{order_id}", {"status": "shipped"}, "PATCH", **condition),
        await write("/dead-letters/discard", {"all": True, "by": "Ada"}, **condition),
    ]

    assert [answer.status_code for answer in answers] == [412] * 4
    assert answers[0].json()["type"] == "/problems/precondition-failed"
    shelf = shelf_of(database, item)
    assert shelf is not None
    assert (shelf.on_hand, status_of(database, order_id)) == (1, "confirmed")
