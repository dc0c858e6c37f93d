"""Without a right to everyone's orders one sees and changes one's own, and learns of no others."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from orderflow.auth.authentication import BearerTokens
from orderflow.auth.keys import SecretKey
from orderflow.auth.tokens import TokenVerifier
from orderflow.database.connection import Connection
from orderflow.resources import resources
from tests.support.dead_letters import keep_many
from tests.support.function_calls import (
    client_of,
    make_order,
    process,
    reference,
    status_of,
)
from tests.support.issuer import AUDIENCE, ISSUER, SECRET, make_token

OWN = "orders:read orders:write"
ALL = f"{OWN} orders:all"
FUNCTIONS = {"/order": "create_order", "/orders": "list_orders"}


@pytest.fixture(autouse=True)
def with_tokens(environment: None) -> Iterator[None]:
    """Callers have tokens of the secret's issuer."""
    verifier = TokenVerifier(SecretKey(SECRET.encode()), issuer=ISSUER, audience=AUDIENCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(resources().__dict__, "callers", BearerTokens(verifier))
        yield


async def call(
    who: str, method: str, path: str, scope: str = OWN, key: str | None = None, **body: Any
) -> httpx.Response:
    """Make a request as this subject."""
    token = make_token("HS256", key=SECRET, sub=who, scope=scope)
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    route = path.partition("?")[0]
    function = FUNCTIONS.get(route, "list_orders" if method == "GET" else "update_order")
    return await client_of(function).request(method, path, json=body or None, headers=headers)


async def place(who: str, **order: Any) -> str:
    body = make_order(**order)
    answer = await call(who, "POST", "/order", **body)
    assert answer.status_code == 201, answer.text
    return str(body["order_id"])


async def listed(who: str, query: str = "", scope: str = OWN) -> list[str]:
    answer = await call(who, "GET", f"/orders?limit=500{query}", scope)
    assert answer.status_code == 200, answer.text
    return [order["order_id"] for order in answer.json()]


def same_but_for_the_id(
    one: httpx.Response, one_id: str, other: httpx.Response, other_id: str
) -> bool:
    return (one.status_code, one.text.replace(one_id, "")) == (
        other.status_code,
        other.text.replace(other_id, ""),
    )


async def test_a_list_has_the_callers_own_orders_by_every_filter() -> None:
    alice, bob, item = reference("alice"), reference("bob"), reference("item")
    first, foreign = await place(alice, item=item), await place(bob, item=item)
    second = await place(alice)

    assert await listed(alice) == [second, first]
    assert await listed(alice, f"&item={item}") == [first]
    assert await listed(alice, "&status=pending") == [second, first]
    assert await listed(alice, "&status=shipped") == []
    assert await listed(alice, "&attention=true") == []
    assert await listed(alice, "&placed_after=2999-01-01T00:00:00Z") == []
    assert await listed(bob) == [foreign]
    assert await listed(reference("carol")) == []
    assert {first, second, foreign} <= {*await listed(reference("staff"), scope=ALL)}


async def test_a_page_of_own_orders_leads_to_the_next_of_them_alone() -> None:
    alice, bob = reference("alice"), reference("bob")
    mine = []
    for _ in range(3):
        mine.append(await place(alice))
        await place(bob)

    page = await call(alice, "GET", "/orders?limit=2")
    following = page.headers["Link"].partition(">")[0].removeprefix("<")
    rest = await call(alice, "GET", following)

    found = [order["order_id"] for answer in (page, rest) for order in answer.json()]
    assert found == mine[::-1]


async def test_a_stream_has_the_callers_own_orders() -> None:
    alice = reference("alice")
    mine = await place(alice)
    await place(reference("bob"))
    token = make_token("HS256", key=SECRET, sub=alice, scope=OWN)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}

    answer = await client_of("list_orders").get("/orders", headers=headers)

    lines = answer.text.splitlines()
    assert len(lines) == 1
    assert mine in lines[0]


async def test_a_foreign_order_is_answered_as_one_there_is_not(database: Connection) -> None:
    alice, mallory, unknown = reference("alice"), reference("mallory"), reference()
    order_id = await place(alice)

    for method, body in (("GET", {}), ("PATCH", {"status": "cancelled"})):
        foreign = await call(mallory, method, f"/order/{order_id}", **body)
        none = await call(mallory, method, f"/order/{unknown}", **body)
        assert foreign.status_code == 404
        assert same_but_for_the_id(foreign, order_id, none, unknown)

    assert status_of(database, order_id) == "pending"
    assert (await call(alice, "GET", f"/order/{order_id}")).status_code == 200
    staff = await call("staff", "PATCH", f"/order/{order_id}", ALL, status="cancelled")
    assert staff.status_code == 200


async def test_a_change_to_a_foreign_order_beside_its_owners_is_refused_alone(
    database: Connection,
) -> None:
    alice, mallory = reference("alice"), reference("mallory")
    order_id = await place(alice)

    answers = await asyncio.gather(
        *(
            call(who, "PATCH", f"/order/{order_id}", status="cancelled")
            for who in (alice, mallory) * 5
        )
    )

    assert [answer.status_code for answer in answers] == [200, 404] * 5
    assert status_of(database, order_id) == "cancelled"


async def test_a_foreign_order_whose_item_is_locked_is_answered_as_fast_as_none(
    postgres: str, database: Connection
) -> None:
    alice, mallory, item = reference("alice"), reference("mallory"), reference("item")
    order_id = await place(alice, item=item)
    assert (await process(order_id)).status_code == 204

    with closing(Connection(postgres)) as holder, holder.transaction():
        holder.run("SELECT FROM stock WHERE item = :item FOR UPDATE", item=item)
        began = time.monotonic()
        answer = await call(mallory, "PATCH", f"/order/{order_id}", status="cancelled")
        took_s = time.monotonic() - began

    assert answer.status_code == 404
    assert took_s < 4  # a lock would be waited for, for 5 s


async def test_an_id_that_another_has_used_is_taken_whatever_the_body(
    database: Connection,
) -> None:
    alice, mallory = reference("alice"), reference("mallory")
    body = make_order()
    await call(alice, "POST", "/order", **body)

    same = await call(mallory, "POST", "/order", **body)
    other = await call(mallory, "POST", "/order", **body | {"quantity": 7})

    assert (same.status_code, other.status_code) == (409, 409)
    assert same.json() == other.json()
    assert same.json()["detail"] == f"the order_id {body['order_id']} is taken; use another"
    assert "Idempotent-Replayed" not in same.headers


async def test_keys_are_a_callers_own() -> None:
    alice, bob, key = reference("alice"), reference("bob"), reference("key")
    body = make_order(order_id=...)

    first = await call(alice, "POST", "/order", key=key, **body)
    other = await call(bob, "POST", "/order", key=key, **body | {"quantity": 9})
    again = await call(alice, "POST", "/order", key=key, **body)

    assert (first.status_code, other.status_code, again.status_code) == (201, 201, 200)
    assert first.json()["order_id"] == again.json()["order_id"] != other.json()["order_id"]


async def test_the_history_says_who_asked() -> None:
    alice = reference("alice")
    order_id = await place(alice)
    await process(order_id)
    await call("staff", "PATCH", f"/order/{order_id}", ALL, status="cancelled")

    order = (await call(alice, "GET", f"/order/{order_id}")).json()

    assert order["placed_by"] == alice
    assert [step["by"] for step in order["history"]] == [alice, None, "staff"]


async def test_a_redrive_is_recorded_for_whose_token_it_is(database: Connection) -> None:
    of_type, _ = keep_many(database, 1)
    token = make_token("HS256", key=SECRET, sub="grace", scope="operations")
    body = {"filter": {"type": of_type}, "by": "somebody else"}

    answer = await client_of("redrive").post(
        "/dead-letters/redrive", json=body, headers={"Authorization": f"Bearer {token}"}
    )

    sql = "SELECT asked_by FROM redrives WHERE position = :id"
    assert database.run(sql, id=answer.json()["redrive"]) == [["grace"]]
