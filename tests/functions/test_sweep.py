"""The clock that finds what Kafka, or a process that died, has lost."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim

from knative_local.delivery.ping_source import SPREAD_MS
from knative_local.manifests.sources import PingSource
from orderflow.config import settings
from orderflow.database.connection import Conflicted, Connection, retrying
from orderflow.errors import InvalidInput
from orderflow.events.outbox import Outbox
from orderflow.resources import resources
from orderflow.stock import holds
from tests.support.function_calls import (
    apply,
    client_of,
    deliver,
    history_of,
    kafka_away,
    ledger_of,
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
    using,
)
from tests.support.waiting import eventually_async

ROOT = Path(__file__).parents[2]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def claimed_orders(connection: Connection) -> list[str]:
    """Claim overdue orders as a tick does; return their ids."""
    sweep = module_of("sweep")
    limits = {"count": sweep.AT_ONCE, **sweep.ANNOUNCE_BACKOFF}
    return [order_id for order_id, *_ in connection.run(sweep.CLAIM_OVERDUE_ORDERS, **limits)]


def attention_of(database: Connection, order_id: str) -> str | None:
    """Return why a person has to look at an order."""
    ((attention,),) = database.run("SELECT attention FROM orders WHERE order_id = :i", i=order_id)
    return None if attention is None else str(attention)


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
    await eventually_async(lambda: unpublished(database, item) == [])


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

    await eventually_async(lambda: not any(unpublished(database, item) for item in items))
    records_of("inventory", items[0], 1)


async def test_what_kafka_did_not_take_stays_for_the_next_tick(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = reference("item")
    with using(outbox=kafka_away()):
        await tell(item, stock=1)
        database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :i", i=item)
        await tick()
        assert unpublished(database, item) == ["orderflow.inventory.changed.v1"]

    database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :i", i=item)
    await tick()

    records_of("inventory", item, 1)
    await eventually_async(lambda: unpublished(database, item) == [])


async def test_a_pending_order_is_announced_again_as_the_same_event(database: Connection) -> None:
    item = reference("item")
    order_id = await place(item=item, quantity=2)
    (first,) = records_of("orders", order_id, 1)
    await eventually_async(lambda: unpublished(database, order_id) == [])
    make_overdue(database, order_id)

    await tick()

    again = records_of("orders", order_id, 2, distinct=False)[1]
    assert again.data == first.data
    assert again.attributes["id"] == first.attributes["id"]
    assert again.attributes["traceparent"] == first.attributes["traceparent"]
    assert again.attributes["source"] == first.attributes["source"]


async def test_an_order_announced_again_before_its_first_event_is_deleted_is_sent_again(
    database: Connection,
) -> None:
    item, own = reference("item"), resources()
    servers = settings().kafka_bootstrap_servers
    slow = Outbox(servers, own.worker, delete_after_s=0.5)
    with using(outbox=slow):
        order_id, change_id = await place(), (await tell(item, stock=4)).json()["change_id"]
    make_overdue(database, order_id)
    sql = "UPDATE inventory_changes SET announce_at = '1970-01-01' WHERE change_id = :id"
    database.run(sql, id=change_id)
    module_of("sweep").republish(database)

    await slow.flush()

    assert unpublished(database, order_id) == ["orderflow.order.placed.v1"]
    assert unpublished(database, item) == ["orderflow.inventory.changed.v1"]
    database.run("UPDATE outbox SET relay_at = '1970-01-01' WHERE relay_at > now()")
    await tick()
    records_of("orders", order_id, 2, distinct=False)
    records_of("inventory", item, 2, distinct=False)
    await eventually_async(
        lambda: not unpublished(database, order_id) + unpublished(database, item)
    )


async def test_an_announcement_that_kafka_did_not_take_is_not_spent(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = reference("item")
    order_id, change_id = await place(), (await tell(item, stock=4)).json()["change_id"]
    await eventually_async(
        lambda: not unpublished(database, order_id) + unpublished(database, item)
    )
    make_overdue(database, order_id)
    sql = "UPDATE inventory_changes SET announce_at = '1970-01-01' WHERE change_id = :id"
    database.run(sql, id=change_id)
    with using(outbox=kafka_away()):
        await tick()
        await tick()
    sql = "UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid IN (:order_id, :item)"
    database.run(sql, order_id=order_id, item=item)

    await tick()

    assert len(records_of("orders", order_id, 2, distinct=False)) == 2
    assert len(records_of("inventory", item, 2, distinct=False)) == 2
    assert announcements_of(database, order_id)[0] == 2
    await eventually_async(
        lambda: not unpublished(database, order_id) + unpublished(database, item)
    )


async def test_what_kafka_lost_is_announced_again_within_ten_seconds(database: Connection) -> None:
    order_id, item = await place(), reference("item")
    await tell(item, stock=1)
    sql = """SELECT extract(epoch FROM announce_at - received_at)::float FROM inventory_changes
      WHERE item = :item"""
    manifest = (ROOT / "infra/knative/base/sweep-source.yaml").read_text()
    schedule = CronSim(PingSource.model_validate(yaml.safe_load(manifest)).spec.schedule, EPOCH)
    first, second = next(schedule), next(schedule)
    tick_s = (second - first).total_seconds() + SPREAD_MS / 1000

    order_due_s = announcements_of(database, order_id)[1]
    change_due_s = database.run(sql, item=item)[0][0]

    assert 0 < order_due_s <= 3
    assert 2 < change_due_s < 3.5  # received_at is that of the transaction, which began before
    assert max(order_due_s, change_due_s) + tick_s < 10 - 1  # to get its stock then takes the rest


async def test_an_order_is_announced_at_growing_distances_and_not_in_between(
    database: Connection,
) -> None:
    order_id = await place()
    seen = []
    for _ in range(12):
        make_overdue(database, order_id)
        await tick()
        await tick()  # too early: changes nothing
        seen.append(announcements_of(database, order_id))

    assert [count for count, _ in seen] == list(range(2, 14))
    distances_s = [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600, 3600]
    for (_, wait_s), expected_s in zip(seen, distances_s, strict=True):
        assert expected_s - 5 < wait_s <= expected_s


async def test_an_order_that_eight_announcements_did_not_move_asks_for_a_person(
    database: Connection,
) -> None:
    order_id, asked = await place(), []
    for _ in range(9):
        make_overdue(database, order_id)
        await tick()
        asked.append(attention_of(database, order_id))

    assert asked[:7] == [None] * 7  # the 8th announcement is not without effect yet
    assert asked[7:] == [f"still pending after {n} announcements" for n in (8, 9)]


async def test_after_the_last_announcement_an_order_waits_for_a_person_only(
    database: Connection,
) -> None:
    order_id = await place()
    database.run("UPDATE orders SET announcements = 199 WHERE order_id = :id", id=order_id)
    make_overdue(database, order_id)

    await tick()
    await tick()

    assert announcements_of(database, order_id) == (200, inf)
    assert "not announced again" in str(attention_of(database, order_id))


async def test_a_change_that_announcements_did_not_move_asks_for_a_person_and_then_waits(
    database: Connection,
) -> None:
    change_id = (await tell(reference("item"), stock=4)).json()["change_id"]
    seen = []
    for announcements in (7, 8, 199):
        sql = """UPDATE inventory_changes
          SET announcements = :n, announce_at = '1970-01-01' WHERE change_id = :id"""
        database.run(sql, n=announcements, id=change_id)
        await tick()
        sql = """SELECT attention, isfinite(announce_at) FROM inventory_changes
          WHERE change_id = :id"""
        seen += database.run(sql, id=change_id)

    assert seen == [
        [None, True],
        ["not applied after 8 announcements", True],
        ["not applied after 200 announcements, so it is not announced again", False],
    ]


async def test_a_change_that_is_applied_after_all_asks_for_nobody(database: Connection) -> None:
    item = reference("item")
    await tell(item, stock=4)
    sql = (
        "UPDATE inventory_changes SET attention = 'look', announce_at = 'infinity' WHERE item = :i"
    )
    database.run(sql, i=item)

    await apply(item)

    sql = "SELECT attention FROM inventory_changes WHERE item = :i"
    assert database.run(sql, i=item) == [[None]]


async def test_two_sweeps_at_one_instant_announce_an_order_once(
    postgres: str, database: Connection
) -> None:
    order_ids = [await place() for _ in range(10)]
    for order_id in order_ids:
        make_overdue(database, order_id)

    def claim() -> list[str]:
        with closing(Connection(postgres)) as connection:
            return claimed_orders(connection)

    claimed = await asyncio.gather(*(asyncio.to_thread(claim) for _ in range(3)))

    assert sorted(i for one in claimed for i in one if i in order_ids) == sorted(order_ids)
    assert {announcements_of(database, order_id)[0] for order_id in order_ids} == {2}


async def test_an_order_that_another_holds_is_left_to_him_and_holds_up_no_other(
    postgres: str, database: Connection
) -> None:
    held, free = await place(), await place()
    for order_id in (held, free):
        make_overdue(database, order_id)

    with closing(Connection(postgres)) as holder, holder.transaction():
        holder.run("SELECT FROM orders WHERE order_id = :id FOR UPDATE", id=held)
        claimed = claimed_orders(database)

    assert free in claimed
    assert held not in claimed


async def test_an_order_that_is_decided_is_not_announced_again(database: Connection) -> None:
    order_id = await ordered("backordered")
    make_overdue(database, order_id)

    await tick()

    assert announcements_of(database, order_id)[0] == 1


@pytest.mark.parametrize(
    ("status", "hold", "asks"),
    [
        ("backordered", None, "waits for stock for a month: restock what it waits for"),
        ("backordered", 5, "waits for stock for a month: restock what it waits for"),
        ("confirmed", None, "holds its stock for a month: ship it, or cancel it"),
    ],
)
async def test_an_order_that_only_a_person_can_move_asks_for_one_once_its_time_is_over(
    database: Connection, status: str, hold: int | None, asks: str
) -> None:
    order_id = await ordered(status, **({"hold_minutes": hold} if hold else {}))
    before = attention_of(database, order_id)
    make_overdue(database, order_id)

    await tick()

    assert before is None
    assert str(attention_of(database, order_id)).startswith(asks)
    assert announcements_of(database, order_id)[1] == inf
    assert status_of(database, order_id) == status


async def test_the_next_move_sets_a_deadline_again_and_asks_for_nobody(
    database: Connection,
) -> None:
    item = reference("item")
    order_id = await ordered("backordered", item=item, hold_minutes=30)
    make_overdue(database, order_id)
    await tick()

    await restock(item, 1)

    assert attention_of(database, order_id) is None
    assert 29 * 60 < announcements_of(database, order_id)[1] <= 30 * 60


@pytest.mark.parametrize("status", ["pending", "backordered", "confirmed"])
def test_no_open_order_can_be_left_without_a_deadline(database: Connection, status: str) -> None:
    sql = """INSERT INTO orders (order_id, fingerprint, on_shortage, status, traceparent, due_at)
      VALUES (:id, '', 'backorder', :status, '', 'infinity')"""

    with pytest.raises(InvalidInput, match="orders_open_have_a_deadline"):
        database.run(sql, id=reference(), status=status)


def test_no_unapplied_change_can_be_left_without_a_deadline(database: Connection) -> None:
    sql = """INSERT INTO inventory_changes
        (change_id, item, stock, occurred_at, fingerprint, traceparent, announce_at)
      VALUES (:id, 'item', 1, now(), '', '', 'infinity')"""

    with pytest.raises(InvalidInput, match="inventory_changes_open_have_a_deadline"):
        database.run(sql, id=reference())


async def test_stock_whose_hold_expires_goes_to_who_waits_for_it(database: Connection) -> None:
    item = reference("item")
    held = await ordered(item=item, quantity=3, hold_minutes=30)
    waits = await ordered("backordered", item=item, quantity=2)
    make_overdue(database, held)

    await tick()

    (event,) = records_of("order-events", held, 2)[1:]
    assert event.attributes["type"] == "orderflow.order.cancelled.v1"
    assert event.data["cause"] == "hold of 30 minutes expired"
    nudge = records_of("inventory", item, 2)[1]
    assert nudge.attributes["source"] == "/orderflow/sweep"
    await apply(nudge.data["item"])
    assert history_of(database, held) == ["pending", "confirmed", "cancelled"]
    assert status_of(database, waits) == "confirmed"
    assert shelf_of(database, item) == (3, 2, False)
    assert ledger_of(database, item) == (3, 2)


async def test_a_hold_begins_when_stock_is_reserved_and_lasts_to_its_end(
    database: Connection,
) -> None:
    order_id = await ordered(hold_minutes=1)

    await tick()

    assert status_of(database, order_id) == "confirmed"
    assert 50 < announcements_of(database, order_id)[1] <= 60


async def test_a_hold_that_is_over_is_no_business_of_a_person(database: Connection) -> None:
    order_id = await ordered(hold_minutes=1)
    make_overdue(database, order_id)

    module_of("sweep").mark(database)

    assert attention_of(database, order_id) is None
    await tick()
    assert status_of(database, order_id) == "cancelled"


@pytest.mark.parametrize("status", ["shipped", "cancelled"])
async def test_a_hold_ends_with_its_order(database: Connection, status: str) -> None:
    item = reference("item")
    order_id = await ordered(item=item, hold_minutes=1)
    await patch(order_id, status)
    make_overdue(database, order_id)

    await tick()

    assert history_of(database, order_id) == ["pending", "confirmed", status]
    assert ledger_of(database, item) == ((0 if status == "shipped" else 1), 0)


async def test_more_holds_than_one_batch_expire_in_one_tick(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "MAX_BATCH", 3)
    order_ids = [await ordered(hold_minutes=1) for _ in range(8)]
    for order_id in order_ids:
        make_overdue(database, order_id)

    await tick()

    assert {status_of(database, order_id) for order_id in order_ids} == {"cancelled"}


@pytest.mark.parametrize("status", ["shipped", "cancelled"])
async def test_a_hold_that_expires_while_its_order_is_moved_has_one_winner(
    postgres: str, database: Connection, status: str
) -> None:
    item, update_order = reference("item"), module_of("update_order")
    await restock(item, 12)
    order_ids = [await place(item=item, hold_minutes=1) for _ in range(12)]
    for order_id in order_ids:
        await process(order_id)
        make_overdue(database, order_id)
    changes = [update_order.Change(order_id, status) for order_id in order_ids]
    at_once = threading.Barrier(3)

    def run(move: Callable[[Connection, int], Sequence[Any]]) -> list[bool]:
        with closing(Connection(postgres)) as connection:
            connection.ping()
            at_once.wait()
            results = [retrying(partial(move, connection, n))[0] for n in range(12)]
        return [result is True for result in results]

    movers = [
        lambda c, n: update_order.change_orders(c, [changes[n]]),
        lambda c, n: holds.expire_orders(c, [order_ids[n]]),
        lambda c, n: holds.expire_orders(c, [order_ids[n]]),
    ]
    won = await asyncio.gather(*(asyncio.to_thread(run, move) for move in movers))

    assert [sum(winners) for winners in zip(*won, strict=True)] == [1] * 12
    assert {len(history_of(database, order_id)) for order_id in order_ids} == {3}
    shipped = sum(status_of(database, order_id) == "shipped" for order_id in order_ids)
    assert shelf_of(database, item) == (12 - shipped, 0, False)
    assert ledger_of(database, item) == (12 - shipped, 0)


async def test_a_hold_that_cannot_end_asks_for_a_person_and_holds_up_no_other(
    database: Connection,
) -> None:
    broken, sound = await ordered(hold_minutes=1), await ordered(hold_minutes=1)
    sql = """INSERT INTO stock_ledger
        (item, kind, on_hand_change, reserved_change, order_position, occurred_at)
      SELECT item, 'release', 0, 0, position, now()
      FROM orders JOIN order_lines USING (position) WHERE order_id = :id"""
    database.run(sql, id=broken)  # a second release is what the database refuses
    for order_id in (broken, sound):
        make_overdue(database, order_id)

    await tick()

    assert (status_of(database, broken), status_of(database, sound)) == ("confirmed", "cancelled")
    assert "its hold expired, but" in str(attention_of(database, broken))
    assert 3_500 < announcements_of(database, broken)[1] <= 3_600


async def test_an_unapplied_change_is_announced_again_as_the_same_event(
    database: Connection,
) -> None:
    item = reference("item")
    change_id = (await tell(item, stock=4)).json()["change_id"]
    (first,) = records_of("inventory", item, 1)
    await eventually_async(lambda: unpublished(database, item) == [])
    sql = "UPDATE inventory_changes SET announce_at = '1970-01-01' WHERE change_id = :id"
    database.run(sql, id=change_id)

    await tick()

    again = records_of("inventory", item, 2, distinct=False)[1]
    assert again.attributes["id"] == first.attributes["id"]
    assert again.attributes["source"] == first.attributes["source"]
    assert again.data == {"item": item, "change_id": change_id}
    assert (await apply(again.data["item"])).status_code == 204
    assert shelf_of(database, item) == (4, 0, False)


async def test_stock_that_waits_to_be_offered_is_announced(database: Connection) -> None:
    item = reference("item")
    held = await ordered(item=item)
    waits = await ordered("backordered", item=item)
    update_order = module_of("update_order")
    update_order.change_orders(database, [update_order.Change(held, "cancelled")])
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


# Steps


async def failing(error: Exception) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "status"), [(Conflicted("a row is locked"), 503), (KeyError("a bug"), 500)], ids=str
)
@pytest.mark.parametrize("broken", module_of("sweep").STEPS)
async def test_a_step_that_fails_is_told_and_starves_no_other(
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    error: Exception,
    status: int,
) -> None:
    steps: dict[str, Any] = module_of("sweep").STEPS
    taken: list[str] = []
    for name, step in steps.items():

        async def noted(name: str = name, step: Any = step) -> int:
            taken.append(name)
            return int(await step())

        monkeypatch.setitem(steps, name, noted)
    monkeypatch.setitem(steps, broken, lambda: failing(error))

    response = await deliver("sweep", "dev.knative.sources.ping", {})

    assert response.status_code == status
    assert taken == [name for name in steps if name != broken]


async def test_an_item_that_another_holds_keeps_no_other_hold_from_ending(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    locked, free = await ordered(item=item, hold_minutes=1), await ordered(hold_minutes=1)
    for order_id in (locked, free):
        make_overdue(database, order_id)

    with closing(Connection(postgres)) as holder, holder.transaction():
        holder.run("SELECT FROM stock WHERE item = :item FOR UPDATE", item=item)
        started = time.perf_counter()
        await tick()
        took_s = time.perf_counter() - started
    before = [status_of(database, order_id) for order_id in (locked, free)]
    await tick()

    assert before == ["confirmed", "cancelled"]
    assert took_s < 4  # less than a lock is waited for
    assert status_of(database, locked) == "cancelled"
    assert ledger_of(database, item) == (1, 0)
