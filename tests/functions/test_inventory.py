"""POST /inventory, its application, and the backorders that it fills."""

import asyncio
import random
import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from orderflow.database.connection import Connection, retrying
from orderflow.database.event import Event
from orderflow.stock import moves
from orderflow.stock.filling import FILL_BATCH
from tests.support.function_calls import (
    Shelf,
    apply,
    client_of,
    deliver,
    history_of,
    kafka_away,
    ledger_of,
    make_lines,
    make_order,
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

SENT = "Inventory update received and sent to Kafka"
QUEUED = "Inventory update received and queued for Kafka"


def ago(**time: float) -> str:
    return (datetime.now(UTC) - timedelta(**time)).isoformat()


def outcome_of(database: Connection, change_id: str) -> str | None:
    sql = "SELECT outcome FROM inventory_changes WHERE change_id = :id"
    ((outcome,),) = database.run(sql, id=change_id)
    return str(outcome) if outcome else None


async def told(item: str, **fields: Any) -> str:
    """Tell a change, apply it, and return its id."""
    response = await tell(item, **fields)
    assert response.status_code == 202, response.text
    assert (await apply(item)).status_code == 204
    return str(response.json()["change_id"])


async def shown(item: str) -> dict[str, Any]:
    response = await client_of("list_inventory").get(f"/inventory/{item}")
    return dict(response.json())


async def test_the_seeds_body_gets_the_seeds_answer() -> None:
    response = await tell(reference("item"), stock=100)

    assert response.status_code == 202
    assert response.json() == {"message": SENT, "change_id": response.json()["change_id"]}
    assert response.json()["change_id"][14] == "7"


async def test_the_change_is_told_on_the_topic(database: Connection) -> None:
    item = reference("item")

    change_id = (await tell(item, stock=100)).json()["change_id"]

    (record,) = records_of("inventory", item, 1)
    assert record.data == {"item": item, "change_id": change_id}
    assert record.attributes["type"] == "orderflow.inventory.changed.v1"
    await eventually_async(lambda: unpublished(database, item) == [])


async def test_nothing_is_on_the_shelf_before_the_change_is_applied(database: Connection) -> None:
    item = reference("item")

    await tell(item, stock=100)

    assert shelf_of(database, item) is None


async def test_a_count_is_applied(database: Connection) -> None:
    item = reference("item")

    change_id = await told(item, stock=100)

    assert shelf_of(database, item) == Shelf(100, 0)
    assert outcome_of(database, change_id) == "applied"


async def test_adjustments_add_up(database: Connection) -> None:
    item = reference("item")

    for fields in ({"stock": 10}, {"adjust": -3, "reason": "damaged"}, {"adjust": 5}):
        await told(item, **fields)

    assert shelf_of(database, item) == Shelf(12, 0)
    assert ledger_of(database, item) == (12, 0)


async def test_a_repeated_change_is_marked_and_applied_once(database: Connection) -> None:
    item, change_id = reference("item"), reference("change")
    await told(item, adjust=5, change_id=change_id)

    again = await tell(item, adjust=5, change_id=change_id)
    await apply(item)

    assert again.status_code == 202
    assert again.json()["change_id"] == change_id
    assert again.headers["idempotent-replayed"] == "true"
    assert shelf_of(database, item) == Shelf(5, 0)


async def test_fifty_equal_changes_at_one_instant_are_one(database: Connection) -> None:
    item, change_id = reference("item"), reference("change")

    responses = await asyncio.gather(
        *(tell(item, adjust=1, change_id=change_id) for _ in range(50))
    )
    await apply(item)

    assert {response.status_code for response in responses} == {202}
    assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
    assert shelf_of(database, item) == Shelf(1, 0)


async def test_another_body_under_the_same_id_is_refused() -> None:
    item, change_id = reference("item"), reference("change")
    await tell(item, adjust=5, change_id=change_id)

    response = await tell(item, adjust=6, change_id=change_id)

    assert response.status_code == 409


async def test_a_change_without_an_id_is_another_one_each_time(database: Connection) -> None:
    item = reference("item")

    for _ in range(2):
        await told(item, adjust=5)

    assert shelf_of(database, item) == Shelf(10, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stock": 1, "adjust": 1},
        {"stock": -1},
        {"adjust": 0},
        {"stock": "1"},
        {"stock": 1, "occurred_at": "0001-01-01T00:00:00+14:00"},
    ],
    ids=str,
)
async def test_a_wrong_change_is_refused(fields: dict[str, Any]) -> None:
    response = await tell(reference("item"), **fields)

    assert response.status_code == 422
    assert response.json()["errors"]


async def test_another_method_is_not_allowed() -> None:
    assert (await client_of("update_inventory").put("/inventory", json={})).status_code == 405


async def test_while_kafka_is_away_the_change_is_accepted_and_queued(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = reference("item")

    with using(outbox=kafka_away()):
        response = await tell(item, stock=1)

    assert (response.status_code, response.json()["message"]) == (202, QUEUED)
    assert unpublished(database, item) == ["orderflow.inventory.changed.v1"]


# Late and early


async def test_a_late_count_keeps_what_was_shipped_after_it(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=3)  # counted: 3
    before = ago()
    await patch(order_id, "shipped")

    await told(item, stock=10, occurred_at=before)

    assert shelf_of(database, item) == Shelf(7, 0)
    assert ledger_of(database, item) == (7, 0)


async def test_a_late_count_keeps_what_was_received_after_it(database: Connection) -> None:
    item = reference("item")
    await told(item, adjust=4, occurred_at=ago(minutes=5))

    await told(item, stock=10, occurred_at=ago(minutes=10))

    assert shelf_of(database, item) == Shelf(14, 0)


async def test_a_count_forgets_what_was_received_before_it(database: Connection) -> None:
    item = reference("item")
    await told(item, adjust=4, occurred_at=ago(minutes=10))

    await told(item, stock=10, occurred_at=ago(minutes=5))

    assert shelf_of(database, item) == Shelf(10, 0)


@pytest.mark.parametrize("fields", [{"stock": 99}, {"adjust": 99}])
async def test_what_the_latest_count_holds_already_is_superseded(
    database: Connection, fields: dict[str, int]
) -> None:
    item = reference("item")
    await told(item, stock=10)

    change_id = await told(item, **fields, occurred_at=ago(minutes=5))

    assert outcome_of(database, change_id) == "superseded"
    assert shelf_of(database, item) == Shelf(10, 0)


async def test_late_changes_told_together_end_as_told_apart(database: Connection) -> None:
    together, apart = reference("item"), reference("item")
    changes: list[dict[str, Any]] = [
        {"adjust": 4, "occurred_at": ago(minutes=3)},
        {"stock": 10, "occurred_at": ago(minutes=5)},
        {"adjust": 2, "occurred_at": ago(minutes=9)},
        {"adjust": -1, "occurred_at": ago(minutes=4)},
        {"stock": 7, "occurred_at": ago(minutes=4, seconds=30)},
    ]

    for change in changes:
        await tell(together, **change)
        await told(apart, **change)
    await apply(together)

    assert shelf_of(database, together) == shelf_of(database, apart) == Shelf(10, 0)
    assert ledger_of(database, together) == ledger_of(database, apart) == (10, 0)


async def test_a_count_from_the_future_does_not_make_later_counts_worthless(
    database: Connection,
) -> None:
    item = reference("item")
    await told(item, stock=10, occurred_at=ago(days=-400))

    await told(item, stock=20)

    assert shelf_of(database, item) == Shelf(20, 0)


async def test_late_changes_end_the_same_however_they_are_cut_into_transactions(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = reference("item"), reference("item")
    chance = random.Random(7)
    for item in (whole, cut):
        await told(item, adjust=20, occurred_at=ago(hours=2))
    for _ in range(40):
        field, units = chance.choice([("stock", chance.randint(0, 30)), ("adjust", 2)])
        occurred_at = ago(minutes=chance.randint(0, 60))  # equal times among them
        for item in (whole, cut):
            await tell(item, **{field: units}, occurred_at=occurred_at)

    await apply(whole)
    monkeypatch.setattr(module_of("apply_inventory"), "MAX_CHANGES", 3)
    await apply(cut)

    assert shelf_of(database, cut) == shelf_of(database, whole)
    assert ledger_of(database, cut) == ledger_of(database, whole)
    sql = "SELECT outcome FROM inventory_changes WHERE item = :item ORDER BY position"
    assert database.run(sql, item=cut) == database.run(sql, item=whole)


async def test_what_does_not_fit_into_one_delivery_is_applied_by_the_next(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_of("apply_inventory"), "MAX_CHANGES", 2)
    monkeypatch.setattr(module_of("apply_inventory"), "MAX_ROUNDS", 2)
    item = reference("item")
    for _ in range(5):
        await tell(item, adjust=1)

    responses = [await apply(item) for _ in range(3)]

    assert [response.status_code for response in responses] == [503, 204, 204]
    assert shelf_of(database, item) == Shelf(5, 0)
    assert ledger_of(database, item) == (5, 0)


async def test_a_process_that_dies_between_two_transactions_loses_and_repeats_nothing(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_of("apply_inventory"), "MAX_CHANGES", 2)
    item = reference("item")
    await restock(item, 0)
    for _ in range(5):
        await tell(item, adjust=1)
    module_of("apply_inventory").apply_once(database, [item])  # and then its process was gone

    await apply(item)

    assert shelf_of(database, item) == Shelf(5, 0)
    assert ledger_of(database, item) == (5, 0)


async def test_hundreds_of_late_changes_over_a_long_ledger_are_applied_in_a_moment(
    alone: Connection,
) -> None:
    alone.script("""
      INSERT INTO inventory_changes (
        change_id, item, adjust, occurred_at, fingerprint, traceparent, announce_at, outcome,
        applied_at
      )
      SELECT 'old ' || n, 'Cable', 1, now() - interval '1 day', '', '', now(), 'applied', now()
      FROM generate_series(1, 20000) AS n;
      INSERT INTO stock VALUES ('Cable', 20000);
      INSERT INTO stock_ledger (
        item, kind, on_hand_change, reserved_change, change_position, occurred_at
      )
      SELECT item, 'adjust', 1, 0, position, occurred_at FROM inventory_changes;
      INSERT INTO inventory_changes (
        change_id, item, adjust, stock, occurred_at, fingerprint, traceparent, announce_at
      )
      SELECT
        'late ' || n, 'Cable', CASE WHEN n <= 300 THEN 1 END, CASE WHEN n > 300 THEN 0 END,
        now() - interval '2 days' + n * interval '1 second', '', '', now()
      FROM generate_series(1, 600) AS n;
      ANALYZE;
    """)
    started = time.perf_counter()

    module_of("apply_inventory").update_items(alone, ["Cable"])

    # Summed once for each, as it was before, they took 1.2 s, and 10 s with ten times as many.
    assert time.perf_counter() - started < 0.8
    ((unapplied,),) = alone.run("SELECT count(*) FROM inventory_changes WHERE outcome IS NULL")
    assert unapplied == 0
    assert shelf_of(alone, "Cable") == Shelf(20_000, 0)
    assert ledger_of(alone, "Cable")[0] == 40_000 - 20_000


@pytest.mark.parametrize("occurred_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_first_and_the_last_day_do_no_harm(
    database: Connection, occurred_at: str
) -> None:
    item = reference("item")
    await told(item, stock=10, occurred_at=occurred_at)

    await told(item, adjust=1, occurred_at=occurred_at)
    await told(item, stock=20)

    assert shelf_of(database, item) == Shelf(20, 0)


async def test_an_adjustment_below_zero_is_refused_and_shows_up(database: Connection) -> None:
    item = reference("item")
    await told(item, stock=2)

    change_id = await told(item, adjust=-3, reason="stolen")

    assert outcome_of(database, change_id) == "refused"
    assert shelf_of(database, item) == Shelf(2, 0)
    (refused,) = (await shown(item))["refused_changes"]
    assert (refused["change_id"], refused["adjust"], refused["reason"]) == (change_id, -3, "stolen")


async def test_the_stock_of_an_item_may_pass_the_limit_of_one_change(database: Connection) -> None:
    item = reference("item")
    for _ in range(3):
        await told(item, adjust=1_000_000_000)

    assert shelf_of(database, item) == Shelf(3_000_000_000, 0)


# Applied as delivered: twice, together, cut short


async def test_three_deliveries_apply_once(database: Connection) -> None:
    item = reference("item")
    await tell(item, adjust=5)

    responses = [await apply(item) for _ in range(3)]

    assert [response.status_code for response in responses] == [204] * 3
    assert ledger_of(database, item) == (5, 0)


async def test_deliveries_of_several_items_at_one_instant_apply_each(database: Connection) -> None:
    items = [reference("item") for _ in range(10)]
    for item in items:
        await tell(item, stock=3)

    responses = await asyncio.gather(*(apply(item) for item in items * 3))

    assert {response.status_code for response in responses} == {204}
    assert {shelf_of(database, item) for item in items} == {Shelf(3, 0)}


async def test_an_item_without_any_change_is_no_fault() -> None:
    assert (await apply(reference("item"))).status_code == 204


@pytest.mark.parametrize("data", [b"", b"{", {}, {"item": ""}, {"item": 5}, {"item": "a\0b"}])
async def test_data_that_can_never_be_read_is_refused_for_good(data: Any) -> None:
    response = await deliver("apply_inventory", "orderflow.inventory.changed.v1", data)

    assert response.status_code == 422


async def test_an_event_of_another_type_is_refused_for_good() -> None:
    response = await deliver("apply_inventory", "orderflow.order.placed.v1", {"item": "a"})

    assert response.status_code == 422


async def test_a_process_that_dies_after_counting_leaves_the_filling_to_sweep(
    database: Connection,
) -> None:
    item = reference("item")
    waits = await ordered("backordered", item=item)
    await tell(item, stock=1)
    module_of("apply_inventory").apply_once(database, [item])  # and then its process was gone

    await tick()

    nudge = records_of("inventory", item, 2)[1]
    assert nudge.data == {"item": item, "change_id": None}
    await apply(nudge.data["item"])
    assert status_of(database, waits) == "confirmed"
    assert shelf_of(database, item) == Shelf(1, 1)


async def test_counts_and_adjustments_from_several_connections_all_count(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    for _ in range(12):
        await tell(item, adjust=1)
    update_items = module_of("apply_inventory").update_items

    def run(_: int) -> None:
        connection = Connection(postgres)
        try:
            retrying(lambda: update_items(connection, [item]))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(8)))

    assert shelf_of(database, item) == Shelf(12, 0)
    assert ledger_of(database, item) == (12, 0)


# Backorders


async def test_who_waits_is_served_first_come_first_filled(database: Connection) -> None:
    item = reference("item")
    waiting = [await ordered("backordered", item=item, quantity=2) for _ in range(3)]

    await restock(item, 4)

    statuses = [status_of(database, order_id) for order_id in waiting]
    assert statuses == ["confirmed", "confirmed", "backordered"]
    assert shelf_of(database, item) == Shelf(4, 4)


async def test_a_small_order_behind_a_big_one_is_filled(database: Connection) -> None:
    item = reference("item")
    big = await ordered("backordered", item=item, quantity=9)
    small = await ordered("backordered", item=item, quantity=2)

    await restock(item, 3)

    assert (status_of(database, big), status_of(database, small)) == ("backordered", "confirmed")
    assert shelf_of(database, item) == Shelf(3, 2)


async def test_a_filled_order_tells_downstream(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered("backordered", item=item)

    await restock(item, 1)

    assert history_of(database, order_id) == ["pending", "backordered", "confirmed"]
    filled = records_of("order-events", order_id, 2)[1]
    assert filled.attributes["type"] == "orderflow.order.confirmed.v1"
    assert filled.attributes["sequence"] == "3"


async def test_an_order_of_two_items_is_filled_when_the_second_comes(database: Connection) -> None:
    items = reference("item"), reference("item")
    order_id = await place(lines=make_lines((items[0], 1), (items[1], 2)))
    await process(order_id)

    await restock(items[0], 1)
    first = status_of(database, order_id)
    await restock(items[1], 2)

    assert (first, status_of(database, order_id)) == ("backordered", "confirmed")
    assert [shelf_of(database, item) for item in items] == [Shelf(1, 1), Shelf(2, 2)]


async def test_both_items_of_an_order_that_come_at_one_instant_fill_it(
    postgres: str, database: Connection
) -> None:
    update_items = module_of("apply_inventory").update_items

    def run(item: str) -> None:
        connection = Connection(postgres)
        try:
            retrying(lambda: update_items(connection, [item]))
        finally:
            connection.close()

    order_ids = []
    for _ in range(10):
        items = reference("item"), reference("item")
        order_ids.append(await place(lines=make_lines((items[0], 1), (items[1], 1))))
        await process(order_ids[-1])
        for item in items:
            await tell(item, stock=1)
        await asyncio.gather(*(asyncio.to_thread(run, item) for item in items))

    assert {status_of(database, order_id) for order_id in order_ids} == {"confirmed"}


async def test_a_restock_that_waits_for_an_orders_lock_fills_that_order(
    postgres: str, database: Connection
) -> None:
    """The order joins the queue while the restock waits for the item: the wake-up is not lost."""
    item = reference("item")
    await restock(item, 0)
    order_id = await place(item=item)
    await tell(item, stock=1)
    process_order = module_of("process_order")
    update_items = module_of("apply_inventory").update_items
    connection, other = Connection(postgres), Connection(postgres)

    with ThreadPoolExecutor(1) as thread:
        with process_order.locked_orders(connection, [order_id]) as locked:
            restocked = thread.submit(retrying, lambda: update_items(other, [item]))
            await eventually_async(lambda: waits_for_a_lock(database))
            process_order.move_orders(connection, locked, process_order.moves(locked), source="/t")
        restocked.result()
    connection.close()
    other.close()

    assert status_of(database, order_id) == "confirmed"
    assert shelf_of(database, item) == Shelf(1, 1)


async def test_a_cancellation_that_waits_for_an_orders_lock_nudges_for_that_order(
    postgres: str, database: Connection
) -> None:
    item = reference("item")
    holds = await ordered(item=item)
    order_id = await place(item=item)
    process_order, update_order = module_of("process_order"), module_of("update_order")
    change, events = update_order.Change(holds, "cancelled"), list[Event]()
    connection, other = Connection(postgres), Connection(postgres, events.extend)

    with ThreadPoolExecutor(1) as thread:
        with process_order.locked_orders(connection, [order_id]) as locked:
            cancelled = thread.submit(retrying, lambda: update_order.change_orders(other, [change]))
            await eventually_async(lambda: waits_for_a_lock(database))
            process_order.move_orders(connection, locked, process_order.moves(locked), source="/t")
        assert cancelled.result() == [True]
    connection.close()
    other.close()

    assert shelf_of(database, item) == Shelf(1, 0, fill_due=True)
    assert [made.aggregatetype for made in events] == ["order-events", "inventory"]


def waits_for_a_lock(database: Connection) -> bool:
    sql = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return bool(database.run(sql))


async def test_more_backorders_than_one_transaction_takes_are_all_filled(
    database: Connection,
) -> None:
    item, count = reference("item"), FILL_BATCH * 2 + 50
    order_ids = await asyncio.gather(*(place(item=item) for _ in range(count)))
    await asyncio.gather(*(process(order_id) for order_id in order_ids))

    await restock(item, count - 10)

    sql = """SELECT status, count(*), max(position), min(position) FROM orders
      JOIN order_lines USING (position) WHERE item = :item GROUP BY status ORDER BY status"""
    (left, _, _, first_left), (filled, _, last_filled, _) = database.run(sql, item=item)
    assert (left, filled) == ("backordered", "confirmed")
    assert last_filled < first_left
    assert shelf_of(database, item) == Shelf(count - 10, count - 10)


async def test_orders_that_the_next_item_blocks_are_looked_at_once_and_filled_by_that_item(
    database: Connection,
) -> None:
    items, count = [reference("item") for _ in range(3)], FILL_BATCH + 50
    lines = make_lines(*((item, 1) for item in items))
    order_ids = await asyncio.gather(*(place(lines=lines) for _ in range(count)))
    await asyncio.gather(*(process(order_id) for order_id in order_ids))
    sql = """SELECT status, count(DISTINCT position), array_agg(DISTINCT blocked_by)
      FROM orders JOIN order_lines USING (position) LEFT JOIN backorders USING (position)
      WHERE order_lines.item = :item GROUP BY status ORDER BY status"""
    ((_, _, (blocker,)),) = database.run(sql, item=items[0])

    seen = []
    for item in [blocker, *(item for item in items if item != blocker)]:
        await restock(item, 2)
        seen.append(database.run(sql, item=items[0]))

    assert [[row[:2] for row in rows] for rows in seen] == [
        [["backordered", count]],
        [["backordered", count]],
        [["backordered", count - 2], ["confirmed", 2]],
    ]
    assert blocker not in seen[0][0][2]
    assert {shelf_of(database, item) for item in items} == {Shelf(2, 2)}
    first = database.run(
        "SELECT order_id FROM orders JOIN order_lines USING (position) "
        "WHERE item = :item ORDER BY position LIMIT 2",
        item=items[0],
    )
    assert {status_of(database, order_id) for (order_id,) in first} == {"confirmed"}


async def test_backorders_that_each_fit_but_not_together_are_filled_as_far_as_they_fit(
    database: Connection,
) -> None:
    item = reference("item")
    sizes = [5, 3, 4, 1, 2]
    waiting = [await ordered("backordered", item=item, quantity=size) for size in sizes]

    await restock(item, 9)

    statuses = [status_of(database, order_id) for order_id in waiting]
    assert statuses == ["confirmed", "confirmed", "backordered", "confirmed", "backordered"]
    assert shelf_of(database, item) == Shelf(9, 9)


async def test_a_low_count_takes_nothing_from_who_has_it(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=4)
    waits = await ordered("backordered", item=item, quantity=1)

    await restock(item, 2)

    assert (status_of(database, order_id), status_of(database, waits)) == (
        "confirmed",
        "backordered",
    )
    assert shelf_of(database, item) == Shelf(2, 4)
    figures = await shown(item)
    assert (figures["available"], figures["short"]) == (0, 2)


# GET /inventory


async def test_an_item_shows_its_figures_and_its_ledger(database: Connection) -> None:
    item = reference("item")
    await told(item, adjust=5, reason="delivery")
    order_id = await place(item=item, quantity=2)
    await process(order_id)
    await patch(order_id, "shipped")

    figures = await shown(item)

    assert (figures["on_hand"], figures["reserved"], figures["available"]) == (3, 0, 3)
    kinds = [(m["kind"], m["on_hand_change"], m["reserved_change"]) for m in figures["ledger"]]
    assert kinds == [("ship", -2, -2), ("reserve", 0, 2), ("adjust", 5, 0)]
    assert figures["ledger"][0]["order_id"] == order_id
    assert figures["ledger"][2]["reason"] == "delivery"
    assert figures["backordered"] == {"orders": 0, "units": 0, "more": False}


async def test_an_item_shows_who_waits_for_it() -> None:
    item = reference("item")
    for quantity in (2, 3):
        await ordered("backordered", item=item, quantity=quantity)

    assert (await shown(item))["backordered"] == {"orders": 2, "units": 5, "more": False}


async def change_of(change_id: str) -> dict[str, Any]:
    path = f"/inventory/changes/{quote(change_id, safe='')}"
    response = await client_of("list_inventory").get(path)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_change_is_found_where_its_answer_says_and_tells_what_became_of_it() -> None:
    item, change_id = reference("item"), reference("a/b ü")

    answer = await tell(item, adjust=5, change_id=change_id, reason="delivery")
    waiting = (await client_of("list_inventory").get(answer.headers["location"])).json()
    await apply(item)
    applied = await change_of(change_id)

    assert (waiting["status"], waiting["applied_at"]) == ("pending", None)
    assert (applied["status"], applied["why"]) == ("applied", None)
    assert applied["applied_at"] > applied["received_at"]
    told = {"change_id": change_id, "item": item, "adjust": 5, "stock": None, "reason": "delivery"}
    assert told.items() <= waiting.items()
    assert told.items() <= applied.items()


async def test_a_change_that_is_not_applied_says_why() -> None:
    item = reference("item")
    await told(item, stock=2)

    refused = await change_of(await told(item, adjust=-3))
    superseded = await change_of(await told(item, stock=9, occurred_at=ago(minutes=5)))

    assert (refused["status"], refused["why"]) == (
        "refused",
        "on hand would have fallen below zero",
    )
    assert (superseded["status"], superseded["why"]) == (
        "superseded",
        "a later count, or an archive, holds it already",
    )


async def test_an_unknown_change_is_not_found_and_an_item_may_have_any_name() -> None:
    await told("changes/x", stock=1)
    get = client_of("list_inventory").get

    unknown = await get(f"/inventory/changes/{reference()}")
    item = await get("/inventory/changes%2Fx")

    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/not-found")
    assert item.json()["item"] == "changes/x"


# A count below what is reserved


async def attention_list(**query: str) -> list[dict[str, Any]]:
    params = {"attention": "true"} | query
    return list((await client_of("list_orders").get("/orders", params=params)).json())


async def reserved_orders(item: str, count: int) -> list[str]:
    """Orders of one unit each, promised in this order."""
    await restock(item, count)
    order_ids = [await place(item=item) for _ in range(count)]
    for order_id in order_ids:
        await process(order_id)
    return order_ids


async def test_a_count_below_what_is_reserved_asks_a_person_about_what_cant_be_shipped() -> None:
    item = reference("item")
    order_ids = await reserved_orders(item, 5)

    await restock(item, 1)

    listed = await attention_list(item=item)
    assert [order["order_id"] for order in listed] == order_ids[:0:-1]  # the first one has its unit
    assert {order["attention"] for order in listed} == {
        f"less is on hand than is reserved: {item}; count or restock it, or cancel the order"
    }
    waiting = (await client_of("list_orders").get(f"/order/{order_ids[4]}")).json()["waiting"]
    assert waiting["attention"] == listed[0]["attention"]
    assert waiting["for"] == (f"enough on hand to ship it: {item} (needs 1; 1 on hand, 5 reserved)")


async def test_each_way_out_of_a_shortage_is_taken_note_of() -> None:
    item = reference("item")
    order_ids = await reserved_orders(item, 5)
    seen = []

    async def look() -> None:
        seen.append([order_ids.index(o["order_id"]) for o in await attention_list(item=item)])

    await restock(item, 1)
    await look()
    await patch(order_ids[0], "shipped")  # the one unit is gone: none is left for the others
    await look()
    await told(item, adjust=1)
    await look()
    await patch(order_ids[2], "cancelled")
    await look()
    await told(item, stock=1, occurred_at=ago())  # told again: changes nothing
    await look()
    await restock(item, 3)
    await look()

    assert seen == [[4, 3, 2, 1], [4, 3, 2, 1], [4, 3, 2], [4, 3], [4, 3], []]


async def test_an_order_that_is_short_of_two_items_is_cleared_by_the_second(
    database: Connection,
) -> None:
    items = sorted([reference("item"), reference("item")])
    for item in items:
        await restock(item, 1)
    order_id = await place(lines=make_lines(*((item, 1) for item in items)))
    await process(order_id)
    seen = []
    for stock in (0, 1):
        for item in items:
            await restock(item, stock)
            sql = "SELECT short_of FROM orders WHERE order_id = :id"
            ((short_of,),) = database.run(sql, id=order_id)
            seen.append(short_of)

    assert seen == [items[:1], items, items[1:], None]


async def test_a_hold_that_ends_takes_an_order_out_of_a_shortage(database: Connection) -> None:
    item = reference("item")
    await restock(item, 2)
    order_ids = [await place(item=item, hold_minutes=30) for _ in range(2)]
    for order_id in order_ids:
        await process(order_id)
    await restock(item, 1)
    before = await attention_list(item=item)
    sql = "UPDATE orders SET due_at = '1970-01-01' WHERE order_id = :id"
    database.run(sql, id=order_ids[0])

    await tick()

    assert [order["order_id"] for order in before] == [order_ids[1]]
    assert await attention_list(item=item) == []


async def test_a_shortage_of_many_orders_is_followed_back_a_bounded_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moves, "MAX_MARKED", 2)
    item = reference("item")
    order_ids = await reserved_orders(item, 5)

    await restock(item, 0)
    first = await attention_list(item=item)
    await patch(order_ids[4], "cancelled")

    assert [order["order_id"] for order in first] == order_ids[:2:-1]
    assert [o["order_id"] for o in await attention_list(item=item)] == order_ids[3:1:-1]


async def test_the_ledger_has_pages() -> None:
    item = reference("item")
    for units in range(1, 6):
        await told(item, adjust=units)

    seen, path = [], f"/inventory/{item}?limit=2"
    while path:
        response = await client_of("list_inventory").get(path)
        seen += [movement["on_hand_change"] for movement in response.json()["ledger"]]
        path = response.links.get("next", {}).get("url", "")

    assert seen == [5, 4, 3, 2, 1]


async def test_items_have_pages_by_name() -> None:
    prefix = reference("~last")  # sorts behind the items of other tests
    names = sorted(f"{prefix} {n}/é" for n in range(5))
    for name in names:
        await restock(name, 1)

    first = await client_of("list_inventory").get("/inventory")
    start = urlsafe_b64encode(prefix.encode()).decode().rstrip("=")
    seen, path = [], f"/inventory?limit=2&after={start}"
    while path:
        response = await client_of("list_inventory").get(path)
        seen += [shelf["item"] for shelf in response.json()]
        path = response.links.get("next", {}).get("url", "")

    figures = {"item", "on_hand", "reserved", "available", "short", "threshold"}
    assert first.json()[0].keys() == figures
    assert [name for name in seen if name.startswith(prefix)] == names


async def test_an_unknown_item_is_not_found() -> None:
    response = await client_of("list_inventory").get(f"/inventory/{reference('item')}")

    assert response.status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "after=*", "colour=red"])
async def test_a_wrong_parameter_is_refused(query: str) -> None:
    assert (await client_of("list_inventory").get(f"/inventory?{query}")).status_code == 422


async def test_a_list_cannot_be_written() -> None:
    response = await client_of("list_inventory").post("/inventory", json=make_order())

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_an_order_that_waits_for_two_items_does_not_overtake_in_the_second_queue(
    database: Connection,
) -> None:
    both, scarce = sorted([reference("item"), reference("item")])
    first = await ordered("backordered", item=scarce)
    second = await ordered("backordered", lines=make_lines((both, 1), (scarce, 1)))
    await tell(both, stock=1)
    await tell(scarce, stock=1)

    module_of("apply_inventory").update_items(database, [both, scarce])

    assert [status_of(database, first), status_of(database, second)] == ["confirmed", "backordered"]
