"""PATCH /order/{order_id}."""

import asyncio
from typing import Any

import pytest

from orderflow.database.connection import Connection
from orderflow.errors import Conflict
from tests.support.function_calls import (
    Shelf,
    apply,
    client_of,
    history_of,
    ledger_of,
    make_lines,
    module_of,
    ordered,
    patch,
    place,
    process,
    records_of,
    reference,
    restock,
    shelf_of,
    status_of,
    tell,
    tick,
    unpublished,
)
from tests.support.waiting import eventually_async


async def order_in(status: str) -> str:
    """Bring an order into a status."""
    if status == "pending":
        return await place()
    if status in ("backordered", "rejected"):
        on_shortage = "reject" if status == "rejected" else "backorder"
        return await ordered(status, on_shortage=on_shortage)
    order_id = await ordered()
    if status != "confirmed":
        assert (await patch(order_id, status)).status_code == 200
    return order_id


@pytest.mark.parametrize(
    ("leaves", "enters"),
    [
        ("pending", "cancelled"),
        ("backordered", "cancelled"),
        ("confirmed", "cancelled"),
        ("confirmed", "shipped"),
    ],
)
async def test_an_allowed_move_is_made(database: Connection, leaves: str, enters: str) -> None:
    order_id = await order_in(leaves)

    response = await patch(order_id, enters)

    assert response.status_code == 200
    assert response.json() == {"order_id": order_id, "status": enters}
    assert "idempotent-replayed" not in response.headers
    assert history_of(database, order_id)[-2:] == [leaves, enters]


@pytest.mark.parametrize(
    ("leaves", "enters"),
    [
        ("pending", "shipped"),
        ("backordered", "shipped"),
        ("rejected", "shipped"),
        ("rejected", "cancelled"),
        ("cancelled", "shipped"),
        ("shipped", "cancelled"),
    ],
)
async def test_any_other_move_is_refused_with_the_reason(
    database: Connection, leaves: str, enters: str
) -> None:
    order_id = await order_in(leaves)
    before = history_of(database, order_id)

    response = await patch(order_id, enters)

    assert response.status_code == 409
    assert response.json()["type"] == "/problems/conflict"
    assert f"the order is {leaves}" in response.json()["detail"]
    assert history_of(database, order_id) == before


@pytest.mark.parametrize("status", ["cancelled", "shipped"])
async def test_a_repeat_is_answered_as_the_first_and_changes_nothing(
    database: Connection, status: str
) -> None:
    order_id = await order_in(status)
    before = history_of(database, order_id)

    again = await patch(order_id, status)

    assert (again.status_code, again.json()["status"]) == (200, status)
    assert again.headers["idempotent-replayed"] == "true"
    assert history_of(database, order_id) == before


async def test_a_cancelled_order_gives_its_stock_back_once(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=3)

    responses = await asyncio.gather(*(patch(order_id, "cancelled") for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert shelf_of(database, item) == Shelf(3, 0)
    assert ledger_of(database, item) == (3, 0)


async def test_a_shipped_order_consumes_its_stock_once(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=3)
    await restock(item, 5)

    responses = await asyncio.gather(*(patch(order_id, "shipped") for _ in range(10)))

    assert {response.status_code for response in responses} == {200}
    assert shelf_of(database, item) == Shelf(2, 0)
    assert ledger_of(database, item) == (2, 0)


async def test_cancel_and_ship_at_one_instant_end_in_one_of_them(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item)

    responses = await asyncio.gather(patch(order_id, "cancelled"), patch(order_id, "shipped"))

    assert sorted(response.status_code for response in responses) == [200, 409]
    assert len(history_of(database, order_id)) == 3


async def test_an_order_that_waited_leaves_the_queue_when_cancelled(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered("backordered", item=item)

    await patch(order_id, "cancelled")
    await restock(item, 1)

    assert status_of(database, order_id) == "cancelled"
    assert shelf_of(database, item) == Shelf(1, 0)
    assert database.run("SELECT FROM backorders WHERE item = :item", item=item) == []


async def test_stock_given_back_goes_to_who_waits_for_it(database: Connection) -> None:
    item = reference("item")
    holds = await ordered(item=item, quantity=2)
    waits = await ordered("backordered", item=item, quantity=2)

    await patch(holds, "cancelled")

    (_, freed) = records_of("inventory", item, 2)  # the first one told the count
    assert freed.data == {"item": item, "change_id": None}
    assert shelf_of(database, item) == Shelf(2, 0, fill_due=True)
    assert (await apply(freed.data["item"])).status_code == 204
    assert status_of(database, waits) == "confirmed"
    assert shelf_of(database, item) == Shelf(2, 2)


async def test_stock_that_nobody_waits_for_is_given_back_without_a_nudge(
    database: Connection,
) -> None:
    item = reference("item")
    order_id = await ordered(item=item)
    await eventually_async(
        lambda: not unpublished(database, order_id) + unpublished(database, item)
    )

    module_of("update_order").change_orders(
        database, [module_of("update_order").Change(order_id, "cancelled")]
    )

    assert unpublished(database, order_id) == ["orderflow.order.cancelled.v1"]
    assert unpublished(database, item) == []
    assert shelf_of(database, item) == Shelf(1, 0)


async def test_every_item_of_a_cancelled_order_is_offered(database: Connection) -> None:
    items = sorted(reference("item") for _ in range(2))
    for item in items:
        await restock(item, 1)
    holds = await place(lines=make_lines((items[0], 1), (items[1], 1)))
    await process(holds)
    waits = [await ordered("backordered", item=item) for item in items]

    await patch(holds, "cancelled")
    for item in items:
        await apply(item)

    assert [status_of(database, order_id) for order_id in waits] == ["confirmed"] * 2


async def test_after_a_low_count_only_what_is_there_is_shipped(database: Connection) -> None:
    item = reference("item")
    await restock(item, 4)
    order_ids = [await place(item=item, quantity=2) for _ in range(2)]
    for order_id in order_ids:
        await process(order_id)
    await restock(item, 3)  # one is broken: four are promised, three are there

    responses = await asyncio.gather(*(patch(order_id, "shipped") for order_id in order_ids))

    assert sorted(response.status_code for response in responses) == [200, 409]
    refused = next(response for response in responses if response.status_code == 409)
    assert f"less {item} is on hand" in refused.json()["detail"]
    assert shelf_of(database, item) == Shelf(1, 2)


async def test_an_order_refused_for_want_of_stock_ships_after_a_count(
    database: Connection,
) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=2)
    await restock(item, 1)
    assert (await patch(order_id, "shipped")).status_code == 409

    await restock(item, 2)

    assert (await patch(order_id, "shipped")).status_code == 200
    assert shelf_of(database, item) == Shelf(0, 0)


async def test_after_a_low_count_an_order_can_be_cancelled(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=2)
    await tell(item, stock=1)
    await apply(item)

    await patch(order_id, "cancelled")

    assert shelf_of(database, item) == Shelf(1, 0)


async def test_the_move_is_told_downstream(database: Connection) -> None:
    order_id = await order_in("confirmed")

    await patch(order_id, "shipped")

    records = records_of("order-events", order_id, 2)
    assert [record.attributes["sequence"] for record in records] == ["2", "3"]
    assert records[1].attributes["type"] == "orderflow.order.shipped.v1"
    assert records[1].attributes["source"] == "/orderflow/update_order"
    await eventually_async(lambda: unpublished(database, order_id) == [])


async def test_what_a_dead_writer_left_is_told_by_sweep(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item)
    waits = await ordered("backordered", item=item)
    change = module_of("update_order").Change(order_id, "cancelled")
    module_of("update_order").change_orders(database, [change])  # and then its process was gone

    sql = "UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid IN (:order_id, :item)"
    database.run(sql, order_id=order_id, item=item)
    await tick()

    assert records_of("order-events", order_id, 2)[1].data["cause"] == "cancelled by request"
    assert records_of("inventory", item, 2)[1].data["item"] == item
    assert status_of(database, waits) == "backordered"


async def test_changes_of_one_batch_are_as_if_they_came_one_after_the_other(
    database: Connection,
) -> None:
    update_order = module_of("update_order")
    order_id = await ordered()
    wanted = ["shipped", "cancelled", "shipped"]

    results = update_order.change_orders(
        database, [update_order.Change(order_id, status) for status in wanted]
    )

    assert (results[0], type(results[1]), results[2]) == (True, Conflict, False)
    assert history_of(database, order_id)[-1] == "shipped"


async def test_an_unknown_order_is_not_found() -> None:
    response = await patch(reference(), "cancelled")

    assert response.status_code == 404
    assert response.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize("path", ["/order/", "/order/a/b", "/", "/orders/x"])
async def test_another_path_is_not_found(path: str) -> None:
    response = await client_of("update_order").patch(path, json={"status": "cancelled"})

    assert response.status_code == 404


@pytest.mark.parametrize("name", ["%00", "a%00b"])
async def test_an_id_that_no_order_can_have_is_the_callers_fault(name: str) -> None:
    response = await client_of("update_order").patch(f"/order/{name}", json={"status": "shipped"})

    assert (response.status_code, response.json()["type"]) == (400, "/problems/malformed-path")


@pytest.mark.parametrize(
    "body", [{}, {"status": "confirmed"}, {"status": None}, {"status": "shipped", "x": 1}, []]
)
async def test_another_body_is_refused(body: Any) -> None:
    order_id = await place()

    response = await client_of("update_order").patch(f"/order/{order_id}", json=body)

    assert response.status_code == 422


async def test_the_path_of_new_orders_says_what_it_takes() -> None:
    response = await client_of("update_order").patch("/order", json={"status": "cancelled"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_another_method_is_not_allowed() -> None:
    response = await client_of("update_order").delete("/order/x")

    assert (response.status_code, response.headers["allow"]) == (405, "PATCH")
