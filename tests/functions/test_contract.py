"""What functions answer is what the contract says, to the last field."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from orderflow.contract.operations import OPERATIONS
from tests.support.contract import check_answer
from tests.support.function_calls import (
    apply,
    ce_headers,
    client_of,
    database_away,
    make_lines,
    make_order,
    ordered,
    patch,
    place,
    reference,
    restock,
    tell,
    tick,
    using,
)

# Those that need no token are the documentation, which has tests of its own.
ANSWERED = [(row.name, a.status) for row in OPERATIONS if row.scope for a in row.answers]


class Calls:
    """Calls of functions, each compared with the contract; what was answered is noted."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()

    async def __call__(
        self, name: str, function: str, method: str, path: str, **more: Any
    ) -> httpx.Response:
        response = await client_of(function).request(method, path, **more)
        check_answer(name, response)
        self.seen.add((name, response.status_code))
        return response


@pytest.fixture
async def call() -> AsyncIterator[Calls]:
    yield Calls()


async def call_orders(call: Calls) -> None:
    body = make_order(hold_minutes=5)
    for _ in range(2):
        await call("place_order", "create_order", "POST", "/order", json=body)
    await call("place_order", "create_order", "POST", "/order", json=body | {"quantity": 2})
    await call("place_order", "create_order", "POST", "/order", content=b"{")
    order_id, item = body["order_id"], body["item"]
    two = await place(lines=make_lines((item, 1), (reference("item"), 2)))
    waiting = await ordered("backordered", item=item)
    for path in ("/orders?limit=2", f"/orders?item={item}", "/orders?limit=0"):
        await call("list_orders", "list_orders", "GET", path)
    lines = {"accept": "application/x-ndjson"}
    await call("list_orders", "list_orders", "GET", f"/orders?item={item}", headers=lines)
    shipped = await ordered()
    for shown in (order_id, two, waiting, await ordered(), shipped, reference()):
        await call("get_order", "list_orders", "GET", f"/order/{shown}")
    for retried in (order_id, shipped, reference()):
        await call("retry_order", "redrive", "POST", f"/order/{retried}/retry", json={})
    for status in ("shipped", "shipped", "cancelled", "lost"):
        path, wanted = f"/order/{shipped}", {"status": status}
        await call("change_order", "update_order", "PATCH", path, json=wanted)


async def call_inventory(call: Calls) -> None:
    item, change_id = reference("item"), reference("change")
    body = {"item": item, "stock": 5, "change_id": change_id}
    for told in (body, body, body | {"stock": 6}, {"item": item}):
        await call("change_inventory", "update_inventory", "POST", "/inventory", json=told)
    path = f"/inventory/changes/{change_id}"
    await call("get_inventory_change", "list_inventory", "GET", path)
    await apply(item)
    await tell(item, adjust=-50, reason="lost")
    await ordered("backordered", item=item, quantity=50)
    await apply(item)
    for path in (f"/inventory/changes?item={item}&limit=1", "/inventory/changes?outcome=none"):
        await call("list_inventory_changes", "list_inventory", "GET", path)
    for path in (f"/inventory/changes/{change_id}", "/inventory/changes/none"):
        await call("get_inventory_change", "list_inventory", "GET", path)
    for path in (f"/inventory/{item}", f"/inventory/{item}?limit=1", "/inventory/none"):
        await call("get_item", "list_inventory", "GET", path)
    for path in ("/inventory?limit=1", "/inventory?after=!"):
        await call("list_inventory", "list_inventory", "GET", path)


async def keep_letter(data: bytes) -> None:
    problem = {"type": "/problems/invalid-input", "detail": "there is no such order"}
    added = {
        "kafkatopic": "orders",
        "kafkaconsumer": "process-order",
        "knativekafkapartition": "0",
        "knativekafkaoffset": "1",
        "knativeerrordest": "http://process-order.orderflow.svc.cluster.local",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(orjson.dumps(problem)).decode(),
    }
    headers = ce_headers("orderflow.order.placed.v1", **added)
    kept = await client_of("keep_dead_letter").post("/", content=data, headers=headers)
    assert kept.status_code == 204


async def call_dead_letters(call: Calls) -> None:
    order_id = reference()
    for data in (orjson.dumps({"order_id": order_id}), b"no json", b"\xff"):
        await keep_letter(data)
    path = f"/dead-letters?order_id={order_id}&limit=1"
    listed = await call("list_dead_letters", "redrive", "GET", path)
    await call("list_dead_letters", "redrive", "GET", "/dead-letters?state=none")
    first: int = listed.json()[0]["id"]
    for number in (first, first + 1, first + 2, 10**9):
        await call("get_dead_letter", "redrive", "GET", f"/dead-letters/{number}")
    for name in ("redrive", "discard"):
        for asked in (
            {"ids": [first], "dry_run": True},
            {"ids": [first]},
            {"filter": {"order_id": reference()}},
            {"ids": [10**9]},
            {},
        ):
            path, body = f"/dead-letters/{name}", asked | {"by": "test"}
            await call(f"{name}_dead_letters", "redrive", "POST", path, json=body)
        await tick()
        await call("get_dead_letter", "redrive", "GET", f"/dead-letters/{first}")
    await call("list_redrives", "redrive", "GET", "/dead-letters/redrives?limit=1")
    await call("list_redrives", "redrive", "GET", "/dead-letters/redrives?limit=51")


async def call_audits(call: Calls) -> None:
    made = await call("run_audit", "audits", "POST", "/audits", json={})
    await call("run_audit", "audits", "POST", "/audits", json={"all": True})
    for audit_id in (made.json()["audit_id"], 10**15):
        await call("get_audit", "audits", "GET", f"/audits/{audit_id}")
    for query in ("limit=1", "limit=0"):
        await call("list_audits", "audits", "GET", f"/audits?{query}")


async def test_every_answer_is_as_documented_and_every_documented_one_is_given(call: Calls) -> None:
    await call_orders(call)
    await call_inventory(call)
    await call_dead_letters(call)
    await call_audits(call)
    await call("get_overview", "overview", "GET", "/overview")

    assert set(ANSWERED) <= call.seen


async def test_an_order_that_was_held_up_is_shown_as_documented(call: Calls) -> None:
    order_id = await place()
    await keep_letter(orjson.dumps({"order_id": order_id}))

    shown = await call("get_order", "list_orders", "GET", f"/order/{order_id}")

    assert shown.json()["waiting"]["dead_letter"]


async def test_no_database_is_a_documented_answer(call: Calls) -> None:
    with using(worker=database_away()):
        response = await call("list_inventory", "list_inventory", "GET", "/inventory")

    assert response.status_code == 503


async def test_a_wrong_answer_is_noticed(call: Calls) -> None:
    item = reference("item")
    await restock(item, 1)
    right = await client_of("list_inventory").get(f"/inventory/{item}")
    shown = right.json()

    for wrong in ({**shown, "new": 1}, {**shown, "on_hand": -1}, {"item": item}):
        forged = httpx.Response(200, json=wrong)
        with pytest.raises(ValueError, match=r"new|on_hand|required"):
            check_answer("get_item", forged)
    with pytest.raises(AssertionError, match="does not say"):
        check_answer("list_inventory", await patch(reference(), "shipped"))
