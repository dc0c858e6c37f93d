"""Allocation of placed orders, delivered late, twice, out of order and at one instant."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from orderflow.database.connection import Connection, retrying
from orderflow.errors import DatabaseAway, InvalidInput, Later
from orderflow.stock import filling
from orderflow.stock.locking import locked_orders
from tests.support.function_calls import (
    Shelf,
    ce_headers,
    client_of,
    deliver,
    history_of,
    ledger_of,
    make_lines,
    make_order,
    module_of,
    ordered,
    place,
    process,
    records_of,
    reference,
    restock,
    shelf_of,
    status_of,
    unpublished,
)
from tests.support.waiting import eventually_async

PLACED = "orderflow.order.placed.v1"


async def send(content: bytes, **headers: str) -> httpx.Response:
    named = ce_headers(PLACED) | {n.replace("_", "-"): v for n, v in headers.items()}
    return await client_of("process_order").post("/", content=content, headers=named)


async def test_an_order_that_fits_is_confirmed_and_its_stock_reserved(database: Connection) -> None:
    item = reference("item")
    await restock(item, 5)
    order_id = await place(item=item, quantity=2)

    response = await process(order_id)

    assert (response.status_code, response.content) == (204, b"")
    assert history_of(database, order_id) == ["pending", "confirmed"]
    assert shelf_of(database, item) == Shelf(5, 2)
    assert ledger_of(database, item) == (5, 2)


async def test_an_order_that_does_not_fit_waits(database: Connection) -> None:
    item = reference("item")
    order_id = await place(item=item, quantity=2)

    await process(order_id)

    assert status_of(database, order_id) == "backordered"
    assert shelf_of(database, item) == Shelf(0, 0)
    rows = database.run("SELECT quantity FROM backorders WHERE item = :item", item=item)
    assert rows == [[2]]


async def test_an_order_that_does_not_want_to_wait_is_rejected(database: Connection) -> None:
    item = reference("item")
    order_id = await place(item=item, on_shortage="reject")

    await process(order_id)

    assert history_of(database, order_id) == ["pending", "rejected"]
    assert database.run("SELECT FROM backorders WHERE item = :item", item=item) == []


async def test_the_decision_is_told_downstream_with_its_cause(database: Connection) -> None:
    item = reference("item")
    order_id = await place(item=item, quantity=2)

    await process(order_id)

    (record,) = records_of("order-events", order_id, 1)
    assert record.attributes["type"] == "orderflow.order.backordered.v1"
    assert record.attributes["sequence"] == "2"
    assert record.data["cause"] == f"short of 2 {item}"
    await eventually_async(lambda: unpublished(database, order_id) == [])


async def test_the_decision_continues_the_callers_trace() -> None:
    trace, body = f"00-{'c' * 32}-{'d' * 16}-01", make_order()
    await client_of("create_order").post("/order", json=body, headers={"traceparent": trace})

    await process(body["order_id"])

    (record,) = records_of("order-events", body["order_id"], 1)
    assert record.attributes["traceparent"] == trace


async def test_three_deliveries_do_what_one_does(database: Connection) -> None:
    item = reference("item")
    await restock(item, 5)
    order_id = await place(item=item, quantity=2)

    responses = [await process(order_id) for _ in range(3)]

    assert [response.status_code for response in responses] == [204] * 3
    assert history_of(database, order_id) == ["pending", "confirmed"]
    assert ledger_of(database, item) == (5, 2)


async def test_deliveries_at_one_instant_do_what_one_does(database: Connection) -> None:
    item = reference("item")
    await restock(item, 5)
    order_id = await place(item=item, quantity=2)

    responses = await asyncio.gather(*(process(order_id) for _ in range(20)))

    assert {response.status_code for response in responses} == {204}
    assert history_of(database, order_id) == ["pending", "confirmed"]
    assert shelf_of(database, item) == Shelf(5, 2)


async def test_a_delivery_after_a_later_move_changes_nothing(database: Connection) -> None:
    order_id = await place()
    await client_of("update_order").patch(f"/order/{order_id}", json={"status": "cancelled"})

    response = await process(order_id)

    assert response.status_code == 204
    assert history_of(database, order_id) == ["pending", "cancelled"]


async def test_orders_delivered_out_of_order_still_get_no_more_than_there_is(
    database: Connection,
) -> None:
    item = reference("item")
    await restock(item, 3)
    order_ids = [await place(item=item, quantity=2) for _ in range(2)]

    for order_id in reversed(order_ids):
        await process(order_id)

    assert [status_of(database, i) for i in order_ids] == ["backordered", "confirmed"]


async def test_orders_delivered_together_are_served_in_order_of_arrival(
    database: Connection,
) -> None:
    item = reference("item")
    await restock(item, 3)
    order_ids = [await place(item=item, quantity=1) for _ in range(5)]

    module_of("process_order").decide_orders(database, order_ids[::-1])

    assert [status_of(database, i) for i in order_ids] == ["confirmed"] * 3 + ["backordered"] * 2


async def test_lines_of_one_item_are_summed(database: Connection) -> None:
    item = reference("item")
    await restock(item, 4)
    order_id = await place(lines=make_lines((item, 2), (item, 3)))

    await process(order_id)
    await restock(item, 5)

    assert history_of(database, order_id) == ["pending", "backordered", "confirmed"]
    assert shelf_of(database, item) == Shelf(5, 5)


async def test_an_order_takes_all_lines_or_none(database: Connection) -> None:
    there, gone = reference("item"), reference("item")
    await restock(there, 5)
    order_id = await place(lines=make_lines((there, 1), (gone, 1)))

    await process(order_id)

    assert status_of(database, order_id) == "backordered"
    assert shelf_of(database, there) == Shelf(5, 0)


async def test_an_order_that_is_unknown_is_never_processed() -> None:
    response = await process(reference())

    assert response.status_code == 422
    assert response.json()["type"] == "/problems/invalid-input"


async def test_an_unknown_order_does_not_harm_its_neighbours(database: Connection) -> None:
    order_ids = [await place() for _ in range(3)]
    wanted = [*order_ids, reference(), *order_ids]

    responses = await asyncio.gather(*(process(order_id) for order_id in wanted))

    assert [r.status_code for r in responses] == [204, 204, 204, 422, 204, 204, 204]
    assert {status_of(database, i) for i in order_ids} == {"backordered"}


async def test_an_event_of_another_type_is_refused() -> None:
    order_id = await place()

    response = await deliver("process_order", "orderflow.order.shipped.v1", {"order_id": order_id})

    assert response.status_code == 422
    assert "this function takes orderflow.order.placed.v1" in response.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"{}", b"\xff", b'{"order_id": 1}', b'{"order_id": "a\\u0000b"}'],
)
async def test_data_that_can_never_be_read_is_refused_for_good(content: bytes) -> None:
    assert (await send(content)).status_code == 422


@pytest.mark.parametrize("missing", ["ce-id", "ce-source", "ce-type"])
async def test_an_event_without_a_required_attribute_is_refused_for_good(missing: str) -> None:
    headers = ce_headers(PLACED)
    del headers[missing]

    response = await client_of("process_order").post("/", content=b"{}", headers=headers)

    assert response.status_code == 422
    assert f"no {missing}" in response.json()["detail"]


async def test_an_event_of_an_unknown_version_of_the_format_is_refused_for_good() -> None:
    assert (await send(b'{"order_id": "x"}', ce_specversion="9.9")).status_code == 422


async def test_what_is_no_event_is_refused_for_good() -> None:
    response = await client_of("process_order").post("/", json={"order_id": "x"})

    assert response.status_code == 422


async def structured(content: bytes) -> httpx.Response:
    headers = {"content-type": "application/cloudevents+json"}
    return await client_of("process_order").post("/", content=content, headers=headers)


def make_structured(**overrides: Any) -> bytes:
    event = {"specversion": "1.0", "id": "1", "source": "/t", "type": PLACED} | overrides
    return orjson.dumps(event)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b"[" * 300 + b"]" * 300, b"1" * 30, b"1" * 5_000, b'"\\ud800"'],
    ids=["open nest", "closed nest", "long number", "longer number", "half a pair"],
)
async def test_a_structured_event_with_data_beyond_reason_is_refused_for_good(data: bytes) -> None:
    response = await structured(make_structured()[:-1] + b', "data": ' + data + b"}")

    assert response.status_code == 422
    assert response.json()["detail"].startswith("not a CloudEvent")


async def test_a_structured_event_is_taken_as_well(database: Connection) -> None:
    order_id = await place()

    response = await structured(make_structured(data={"order_id": order_id}))

    assert response.status_code == 204
    assert status_of(database, order_id) == "backordered"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"1",
        make_structured(),
        make_structured(data=None),
        make_structured(data=5),
        make_structured(data_base64="!"),
        make_structured(data_base64=5),
        make_structured(data={"order_id": "x"}, specversion=1),
        make_structured(data={"order_id": "x"}, specversion=[]),
        make_structured(data={"order_id": "x"}, id=None),
        make_structured(data={"order_id": "x"}, id={}),
        make_structured(data={"order_id": "x"}, type=7),
        make_structured(data={"order_id": "x"}, traceparent=7),
        make_structured(data={"order_id": "x"}, data_base64="e30="),
    ],
    ids=lambda content: content.decode("latin-1"),
)
async def test_a_structured_event_that_can_never_be_read_is_refused_for_good(
    content: bytes,
) -> None:
    assert (await structured(content)).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_another_method_is_not_allowed(method: str) -> None:
    assert (await client_of("process_order").request(method, "/")).status_code == 405


async def counted_and_not_offered(database: Connection, item: str, stock: int) -> None:
    """Count an item as a process does that is gone before it offers the stock to who waits."""
    await client_of("update_inventory").post("/inventory", json={"item": item, "stock": stock})
    module_of("apply_inventory").apply_once(database, [item])


async def test_free_stock_is_offered_first_to_those_who_wait_longer(database: Connection) -> None:
    item = reference("item")
    waits = await ordered("backordered", item=item)
    await counted_and_not_offered(database, item, stock=1)
    new = await place(item=item)

    response = await process(new)

    assert response.status_code == 204
    assert (status_of(database, waits), status_of(database, new)) == ("confirmed", "backordered")
    assert shelf_of(database, item) == Shelf(1, 1)


async def test_who_offers_stock_by_the_way_tells_what_became_of_those_who_waited(
    database: Connection,
) -> None:
    item = reference("item")
    waits = await ordered("backordered", item=item)
    await counted_and_not_offered(database, item, stock=2)
    new, unknown = await place(item=item), reference()

    decide_orders = module_of("process_order").decide_orders
    refused, decided = retrying(lambda: decide_orders(database, [unknown, new]))

    assert isinstance(refused, InvalidInput)
    assert decided is None
    assert (status_of(database, waits), status_of(database, new)) == ("confirmed", "confirmed")


async def test_an_order_is_told_to_come_again_while_more_wait_than_are_served_at_once(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, quiet = reference("item"), reference("item")
    for _ in range(2):
        await ordered("backordered", item=busy)
    await counted_and_not_offered(database, busy, stock=9)
    deferred, free = await place(item=busy), await place(item=quiet)
    monkeypatch.setattr(filling, "FILL_BATCH", 1)
    monkeypatch.setattr(filling, "MAX_FILLS", 1)

    decide_orders = module_of("process_order").decide_orders
    results = retrying(lambda: decide_orders(database, [deferred, free, deferred]))

    assert [isinstance(result, Later) for result in results] == [True, False, True]
    assert (status_of(database, deferred), status_of(database, free)) == ("pending", "backordered")
    assert (await process(deferred)).status_code == 204
    assert status_of(database, deferred) == "confirmed"


async def test_orders_that_race_for_one_item_get_exactly_what_is_there(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    await restock(item, 7)
    order_ids = [await place(item=item) for _ in range(20)]

    race(postgres, [order_ids[n::4] for n in range(4)], batch=1)

    statuses = [status_of(database, order_id) for order_id in order_ids]
    assert (statuses.count("confirmed"), statuses.count("backordered")) == (7, 13)
    assert shelf_of(database, item) == Shelf(7, 7)
    assert ledger_of(database, item) == (7, 7)


async def test_deliveries_that_race_for_one_order_reserve_once(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    await restock(item, 50)
    order_ids = [await place(item=item, quantity=2) for _ in range(10)]

    race(postgres, [order_ids, order_ids[::-1], order_ids[5:] + order_ids[:5]], batch=3)

    assert shelf_of(database, item) == Shelf(50, 20)
    assert ledger_of(database, item) == (50, 20)
    assert all(history_of(database, i) == ["pending", "confirmed"] for i in order_ids)


async def test_orders_of_several_items_race_without_a_deadlock(
    postgres: str, database: Connection
) -> None:
    items = [reference("item") for _ in range(4)]
    for item in items[:3]:
        await restock(item, 30)
    pairs = [(items[n % 4], items[(n + 1) % 4]) for n in range(24)]
    order_ids = [await place(lines=make_lines((b, 1), (a, 1))) for a, b in pairs]
    ((before,),) = database.run("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")

    race(postgres, [order_ids[n::3] for n in range(3)], batch=4)

    ((after,),) = database.run("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'")
    assert after == before
    assert "pending" not in {status_of(database, order_id) for order_id in order_ids}
    for item in items:
        shelf = shelf_of(database, item)
        assert shelf is not None
        assert (shelf.on_hand, shelf.reserved) == ledger_of(database, item)


def race(postgres: str, runs: list[list[str]], *, batch: int) -> None:
    """Decide each run's orders in a thread and over a connection of its own."""
    decide_orders = module_of("process_order").decide_orders

    def run(order_ids: list[str]) -> None:
        connection = Connection(postgres)
        try:
            for start in range(0, len(order_ids), batch):
                some = order_ids[start : start + batch]
                retrying(lambda some=some: decide_orders(connection, some))  # type: ignore[misc]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(runs)) as threads:
        list(threads.map(run, runs))


async def test_a_process_that_dies_between_locking_and_deciding_changes_nothing(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    await restock(item, 1)
    order_id = await place(item=item)

    connection = Connection(postgres)
    with pytest.raises(DatabaseAway), locked_orders(connection, [order_id]) as locked:
        ((pid,),) = connection.run("SELECT pg_backend_pid()")
        database.run("SELECT pg_terminate_backend(CAST(:pid AS integer))", pid=pid)
        process_order = module_of("process_order")
        process_order.move_orders(connection, locked, process_order.moves(locked), source="/t")
    connection.close()

    assert status_of(database, order_id) == "pending"
    assert shelf_of(database, item) == Shelf(1, 0)
    assert (await process(order_id)).status_code == 204
    assert history_of(database, order_id) == ["pending", "confirmed"]
