"""The clock that finds what Kafka, or a process that died, has lost."""

import asyncio

import pytest

from orderflow import outbox as outboxes
from orderflow.database import Connection
from orderflow.outbox import Outbox
from tests.functions.support import (
    apply,
    client_of,
    deliver,
    eventually,
    module_of,
    ordered,
    place,
    process,
    records_of,
    reference,
    shelf_of,
    status_of,
    tell,
    tick,
    unpublished,
)


def make_overdue(database: Connection, order_id: str) -> None:
    """Let the time of an order's next announcement be long past."""
    sql = "UPDATE orders SET due_at = '1970-01-01' WHERE order_id = :id"
    database.run(sql, id=order_id)


def announcements_of(database: Connection, order_id: str) -> tuple[int, float]:
    """Return how often an order was announced, and in how many seconds it will be again."""
    sql = """SELECT announcements, extract(epoch FROM due_at - now())::float
      FROM orders WHERE order_id = :id"""
    ((count, wait_s),) = database.run(sql, id=order_id)
    return count, wait_s


async def test_an_event_that_its_writer_left_is_relayed_as_it_was(database: Connection) -> None:
    item = reference("item")
    inventory = module_of("update_inventory")
    told = inventory.ChangeInventory(item=item, stock=1)
    change = inventory.requested(told, f"00-{'a' * 32}-{'b' * 16}-01")
    inventory.record_changes(database, [change])  # committed, and then its process was gone

    database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :id", id=item)
    await tick()

    (record,) = records_of("inventory", item, 1)
    assert record.attributes["id"] == change.event.id
    assert record.attributes["traceparent"] == change.event.traceparent
    assert record.attributes["source"] == "/orderflow/update_inventory"
    assert record.data == {"item": item, "change_id": change.change_id}
    await eventually(lambda: unpublished(database, item) == [])


async def test_an_event_is_left_to_its_writer_at_first(database: Connection) -> None:
    inventory, item = module_of("update_inventory"), reference("item")
    change = inventory.requested(inventory.ChangeInventory(item=item, stock=1), "")
    inventory.record_changes(database, [change])

    await tick()

    assert unpublished(database, item) == ["orderflow.inventory.changed.v1"]


async def test_two_sweeps_at_one_instant_relay_an_event_once(database: Connection) -> None:
    inventory, items = module_of("update_inventory"), [reference("item") for _ in range(20)]
    changes = [
        inventory.requested(inventory.ChangeInventory(item=item, stock=1), "") for item in items
    ]
    inventory.record_changes(database, changes)
    for item in items:
        database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :id", id=item)

    await asyncio.gather(tick(), tick(), tick())

    await eventually(lambda: not any(unpublished(database, item) for item in items))
    records_of("inventory", items[0], 1)


async def test_what_kafka_did_not_take_stays_for_the_next_tick(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, item = Outbox("127.0.0.1:9"), reference("item")
    with monkeypatch.context() as patch_outbox:
        patch_outbox.setattr(outboxes, "outbox", lambda: away)
        patch_outbox.setattr(module_of("sweep"), "outbox", lambda: away)
        await tell(item, stock=1)
        database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :i", i=item)
        await tick()
        assert unpublished(database, item) == ["orderflow.inventory.changed.v1"]

    database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :i", i=item)
    await tick()

    records_of("inventory", item, 1)
    await eventually(lambda: unpublished(database, item) == [])


async def test_a_pending_order_is_announced_again_as_the_same_event(database: Connection) -> None:
    item = reference("item")
    order_id = await place(item=item, quantity=2)
    (first,) = records_of("orders", order_id, 1)
    make_overdue(database, order_id)

    await tick()

    again = records_of("orders", order_id, 2, distinct=False)[1]
    assert again.data == first.data
    assert again.attributes["id"] == first.attributes["id"]
    assert again.attributes["traceparent"] == first.attributes["traceparent"]
    assert again.attributes["source"] == "/orderflow/sweep"


async def test_an_order_is_announced_at_growing_distances_and_not_in_between(
    database: Connection,
) -> None:
    order_id = await place()
    seen = []
    for _ in range(9):
        make_overdue(database, order_id)
        await tick()
        await tick()  # too early: changes nothing
        seen.append(announcements_of(database, order_id))

    assert [count for count, _ in seen] == list(range(2, 11))
    distances_s = [20, 40, 80, 160, 320, 600, 600, 600, 600]
    for (_, wait_s), expected_s in zip(seen, distances_s, strict=True):
        assert expected_s - 5 < wait_s <= expected_s


async def test_an_order_that_is_decided_is_not_announced_again(database: Connection) -> None:
    order_id = await ordered("backordered")
    make_overdue(database, order_id)

    await tick()

    assert announcements_of(database, order_id)[0] == 1


async def test_an_unapplied_change_is_announced_again_as_the_same_event(
    database: Connection,
) -> None:
    item = reference("item")
    change_id = (await tell(item, stock=4)).json()["change_id"]
    (first,) = records_of("inventory", item, 1)
    sql = "UPDATE inventory_changes SET announce_at = '1970-01-01' WHERE change_id = :id"
    database.run(sql, id=change_id)

    await tick()

    again = records_of("inventory", item, 2, distinct=False)[1]
    assert again.attributes["id"] == first.attributes["id"]
    assert again.data == {"item": item, "change_id": change_id}
    assert (await apply(again.data["item"])).status_code == 204
    assert shelf_of(database, item) == (4, 0, False)


async def test_stock_that_waits_to_be_offered_is_announced(database: Connection) -> None:
    item = reference("item")
    holds = await ordered(item=item)
    waits = await ordered("backordered", item=item)
    update_order = module_of("update_order")
    update_order.change_orders(database, [update_order.Change(holds, "cancelled")])
    database.run("DELETE FROM outbox WHERE aggregateid = :item", item=item)  # the nudge is lost

    await tick()

    nudge = records_of("inventory", item, 2)[1]
    assert nudge.attributes["source"] == "/orderflow/sweep"
    await apply(nudge.data["item"])
    assert status_of(database, waits) == "confirmed"


async def test_an_order_whose_every_event_was_lost_is_decided_after_all(
    database: Connection,
) -> None:
    order_id = await place()
    database.run("DELETE FROM outbox WHERE aggregateid = :id", id=order_id)
    make_overdue(database, order_id)

    await tick()

    announced = records_of("orders", order_id, 1)[0].data["order_id"]
    assert (await process(announced)).status_code == 204
    assert status_of(database, order_id) == "backordered"


async def test_another_event_is_refused() -> None:
    response = await deliver("sweep", "orderflow.order.placed.v1", {})

    assert response.status_code == 422


async def test_another_method_is_not_allowed() -> None:
    assert (await client_of("sweep").get("/")).status_code == 405
